/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command lines and JSON documents: what they set, and what they are told when they are wrong. */
#include "ctl/config.h"
#include "../test.h"
#include "cpu/trace.h"

#include <errno.h>
#include <unistd.h>

#define MAX_ARGS 40

struct parse {
    struct machine_config cfg;
    enum config_help help;
    struct err err;
    int rc;
};

/* Parses words separated by blanks. */
static struct parse args(const char *line)
{
    struct parse p = {.help = CONFIG_NO_HELP};
    char copy[512], run[] = "run", *argv[MAX_ARGS] = {run}, *save = NULL;
    int argc = 1;

    snprintf(copy, sizeof(copy), "%s", line);
    for (char *w = strtok_r(copy, " ", &save); w && argc < MAX_ARGS; w = strtok_r(NULL, " ", &save))
        argv[argc++] = w;
    config_init(&p.cfg);
    p.rc = config_parse_args(&p.cfg, argc, argv, &p.help, &p.err);
    return p;
}

static struct parse json(const char *text)
{
    struct parse p = {.help = CONFIG_NO_HELP};

    config_init(&p.cfg);
    p.rc = config_parse_json(&p.cfg, text, strlen(text), &p.err);
    return p;
}

static bool equal(const char *a, const char *b)
{
    return a && b && !strcmp(a, b);
}

/* The error text is as given; says what it is if not. */
static void check_error(struct parse p, const char *want)
{
    CHECK_EQ(p.rc, -EINVAL);
    if (p.rc && strcmp(p.err.text, want)) {
        fprintf(stderr, "got:  %s\nwant: %s\n", p.err.text, want);
        CHECK(false && "the right message");
    }
    config_dispose(&p.cfg);
}

/* An empty drive is one of removable media. */
static void empty_drives(void)
{
    struct parse p = args("--cdrom none --floppy none");

    CHECK_EQ(p.rc, 0);
    CHECK_EQ(p.cfg.ncdroms, 1);
    CHECK_EQ(p.cfg.nfloppies, 1);
    config_dispose(&p.cfg);
    check_error(args("--disk none"), "--disk: a hard disk has no empty drive");
    check_error(args("--qmp /tmp/x"), "--qmp: '/tmp/x' is not unix:PATH");
}

static void defaults(void)
{
    struct parse p = args("");

    CHECK_EQ(p.rc, 0);
    CHECK_EQ(p.cfg.memory, 512 * MiB);
    CHECK_EQ(p.cfg.cpus, 1);
    CHECK_EQ(p.cfg.nserial, 0);
    CHECK_EQ(config_check(&p.cfg, &p.err), -EINVAL);
    CHECK(equal(p.err.text,
                "nothing to boot; name a disk image, or say --cdrom, --floppy or --kernel FILE, or "
                "--machine pc"));
    config_dispose(&p.cfg);
}

/* An image's name brings defaults, which options and files override wherever they stand. */
static void image(void)
{
    struct parse p = args("a,b.qcow2 --disk second.img");

    CHECK_EQ(p.rc, 0);
    CHECK_EQ(p.cfg.ndisks, 2);
    CHECK(equal(p.cfg.disk[0], "a,,b.qcow2,bus=virtio") && equal(p.cfg.disk[1], "second.img"));
    CHECK_EQ(p.cfg.nnets, 1);
    CHECK(equal(p.cfg.net[0], "user,model=virtio"));
    CHECK_EQ(p.cfg.memory, GiB);
    CHECK(p.cfg.rng && p.cfg.has_balloon && !p.cfg.balloon);
    CHECK_EQ(config_check(&p.cfg, &p.err), 0);
    config_dispose(&p.cfg);
    p = args("--memory 64M --net none x.img --balloon 1M");
    CHECK_EQ(p.rc, 0);
    CHECK_EQ(p.cfg.memory, 64 * MiB);
    CHECK_EQ(p.cfg.balloon, MiB);
    CHECK_EQ(p.cfg.nnets, 1);
    CHECK(equal(p.cfg.net[0], "none"));
    config_dispose(&p.cfg);
    p = args("x.img --help");
    CHECK(!p.rc && p.help == CONFIG_HELP && !p.cfg.ndisks && !p.cfg.nnets);
    config_dispose(&p.cfg);
    check_error(args("x.img --machine apple"),
                "--machine: no machine 'apple'; there are pc and micro");
}

static void all_options(void)
{
    struct parse p =
        args("--kernel k --initrd=i --append a=b --module m,x=y --module n --memory 1G "
             "--cpus 4,sockets=2 --cpu max,-avx --engine interp --serial none --serial unix:/s "
             "--debug-exit --testdev --no-reboot --trace io,msr --trace-file t "
             "--name vm");

    CHECK_EQ(p.rc, 0);
    CHECK(equal(p.cfg.kernel, "k") && equal(p.cfg.initrd, "i") && equal(p.cfg.append, "a=b"));
    CHECK(p.cfg.nmodules == 2 && equal(p.cfg.module[0], "m,x=y") && equal(p.cfg.module[1], "n"));
    CHECK_EQ(p.cfg.memory, GiB);
    CHECK(p.cfg.cpus == 4 && p.cfg.sockets == 2);
    CHECK(equal(p.cfg.cpu, "max,-avx") && equal(p.cfg.engine, "interp"));
    CHECK(p.cfg.nserial == 2 && equal(p.cfg.serial[1], "unix:/s"));
    CHECK(p.cfg.debug_exit && p.cfg.testdev && p.cfg.no_reboot);
    CHECK_EQ(p.cfg.trace, TRACE_IO | TRACE_MSR);
    CHECK(equal(p.cfg.trace_file, "t") && equal(p.cfg.name, "vm"));
    CHECK_EQ(config_check(&p.cfg, &p.err), 0);
    config_dispose(&p.cfg);
}

static void sizes(void)
{
    struct {
        const char *text;
        u64 size;
    } good[] = {{"--memory 1M", MiB},
                {"--memory 4096k", 4 * MiB},
                {"--memory 2g", 2 * GiB},
                {"--memory 1T", 1024 * GiB},
                {"--memory 1052672", MiB + 4096}};

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct parse p = args(good[i].text);
        CHECK_EQ(p.rc, 0);
        CHECK_EQ(p.cfg.memory, good[i].size);
        config_dispose(&p.cfg);
    }
    check_error(args("--memory 512"), "--memory: '512' is not between 1M and 1T");
    check_error(args("--memory 2T"), "--memory: '2T' is not between 1M and 1T");
    check_error(args("--memory 1048577"), "--memory: '1048577' is not a multiple of 4K");
    check_error(args("--memory -1M"), "--memory: '-1M' is not a size; give one such as 512M or 2G");
    check_error(args("--memory 1MB"), "--memory: '1MB' is not a size; give one such as 512M or 2G");
    check_error(args("--memory 99999999999999999999"),
                "--memory: '99999999999999999999' is not a size; give one such as 512M or 2G");
    check_error(args("--memory 18014398509481984K"),
                "--memory: '18014398509481984K' is not a size; give one such as 512M or 2G");
}

static void wrong_options(void)
{
    check_error(args("--kernl k"), "unknown option '--kernl'; did you mean '--kernel'?");
    check_error(args("--mem 1G"), "unknown option '--mem'; did you mean '--memory'?");
    check_error(args("--frobnicate"), "unknown option '--frobnicate'");
    check_error(args("-k"), "'-k' is not an option; options start with --");
    check_error(args("--"), "'--' is not an option; options start with --");
    check_error(args("--kernel"), "--kernel needs a value: FILE");
    check_error(args("--kernel="), "--kernel: is empty");
    check_error(args("--testdev=1"), "--testdev takes no value");
    check_error(args("--cpus 0"), "--cpus: '0' is not a number from 1 to 64");
    check_error(args("--cpus 65"), "--cpus: '65' is not a number from 1 to 64");
    check_error(args("--cpus 0000000000000000002"),
                "--cpus: '0000000000000000002' is not a number from 1 to 64");
    check_error(args("--cpus 2,socket=2"),
                "--cpus: '2,socket=2': after the number there is sockets=S only");
    check_error(args("--cpus 2,sockets=0"),
                "--cpus: '2,sockets=0': after the number there is sockets=S only");
    check_error(args("--cpus 2,sockets=2,"),
                "--cpus: '2,sockets=2,': after the number there is sockets=S only");
    check_error(args("--cpus 4,sockets=3"),
                "--cpus: '4,sockets=3': each socket has 1, 2, 4, 8, 16 or 32 CPUs");
    check_error(args("--cpus 6,sockets=2"),
                "--cpus: '6,sockets=2': each socket has 1, 2, 4, 8, 16 or 32 CPUs");
    check_error(args("--cpus 2,sockets=4"),
                "--cpus: '2,sockets=4': each socket has 1, 2, 4, 8, 16 or 32 CPUs");
    check_error(args("--engine kvm"), "--engine: no engine 'kvm'; there are auto, dbt and interp");
    check_error(args("--serial tcp:1"),
                "--serial: 'tcp:1' is not stdio, none, file:PATH or unix:PATH");
    check_error(args("--serial file:"), "--serial: 'file:' needs a path after the colon");
    check_error(args("--serial stdio --serial stdio"),
                "--serial: stdio can be only one serial port");
    check_error(args("--serial none --serial none --serial none --serial none --serial none"),
                "--serial: given more than 4 times");
    check_error(args("--trace io,mrs"),
                "--trace: no kind of trace 'mrs'; --trace help lists them; did you mean 'msr'?");
    check_error(args("--trace io,"), "--trace: no kind of trace ''; --trace help lists them");
}

static void help(void)
{
    struct parse p = args("--memory 1G --help --nonsense");

    CHECK(!p.rc && p.help == CONFIG_HELP);
    p = args("--cpu help");
    CHECK(!p.rc && p.help == CONFIG_HELP_CPU && !p.cfg.cpu);
    p = args("--trace=help");
    CHECK(!p.rc && p.help == CONFIG_HELP_TRACE);
}

static void json_document(void)
{
    struct parse p = json("{\"kernel\": \"k\", \"memory\": \"64M\", \"cpus\": 2,"
                          "\"serial\": [\"none\", \"file:log\"], \"module\": \"m\","
                          "\"no-reboot\": true, \"testdev\": false, \"append\": \"\"}");

    CHECK_EQ(p.rc, 0);
    CHECK(equal(p.cfg.kernel, "k") && !p.cfg.append);
    CHECK_EQ(p.cfg.memory, 64 * MiB);
    CHECK_EQ(p.cfg.cpus, 2);
    CHECK(p.cfg.nserial == 2 && equal(p.cfg.serial[1], "file:log"));
    CHECK(p.cfg.nmodules == 1 && equal(p.cfg.module[0], "m"));
    CHECK(p.cfg.no_reboot && !p.cfg.testdev);
    config_dispose(&p.cfg);
}

static void wrong_json(void)
{
    check_error(json("{\"kernell\": \"k\"}"), "unknown key \"kernell\"; did you mean 'kernel'?");
    check_error(json("{\"config\": \"other\"}"), "unknown key \"config\"");
    check_error(json("[]"), "the document is not an object ({…})");
    check_error(json("{\"memory\": 1.5}"), "\"memory\": must be a string or a whole number");
    check_error(json("{\"memory\": \"lots\"}"),
                "\"memory\": 'lots' is not a size; give one such as 512M or 2G");
    check_error(json("{\"testdev\": \"true\"}"), "\"testdev\": must be true or false");
    check_error(json("{\"kernel\": \"a\\u0000b\"}"),
                "line 1, column 21: \\u0000 is not allowed without JSON_ALLOW_NUL near "
                "'\"a\\u0000b\"'");
    check_error(json("{\"serial\": [\"none\", 3]}"),
                "\"serial\": item 2: '3' is not stdio, none, file:PATH or unix:PATH");
    check_error(json("{\"kernel\": \"a\", \"kernel\": \"b\"}"),
                "line 1, column 24: duplicate object key near '\"kernel\"'");
}

static void file_and_options(void)
{
    char path[] = "/tmp/domus-config-XXXXXX", line[128];
    const char *text = "{\"kernel\": \"f\", \"cpus\": 2, \"serial\": [\"none\", \"none\"]}";
    int fd = mkstemp(path);
    struct parse p;

    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    snprintf(line, sizeof(line), "--cpus 3 --serial file:x --config %s", path);
    p = args(line);
    CHECK_EQ(p.rc, 0);
    CHECK(equal(p.cfg.kernel, "f"));
    CHECK_EQ(p.cfg.cpus, 3);
    CHECK(p.cfg.nserial == 1 && equal(p.cfg.serial[0], "file:x"));
    config_dispose(&p.cfg);
    unlink(path);
    p = args(line);
    CHECK_EQ(p.rc, -ENOENT);
    CHECK(strstr(p.err.text, path) != NULL);
    config_dispose(&p.cfg);
}

int main(void)
{
    TEST_RUN(empty_drives);
    TEST_RUN(defaults);
    TEST_RUN(image);
    TEST_RUN(all_options);
    TEST_RUN(sizes);
    TEST_RUN(wrong_options);
    TEST_RUN(help);
    TEST_RUN(json_document);
    TEST_RUN(wrong_json);
    TEST_RUN(file_and_options);
    return test_result();
}
