/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values arrive as text, as a command line has them. A setter's message is completed by the
   caller with the option's name. */
#include "ctl/option.h"

#include "cpu/trace.h"
#include "cpu/vm.h"
#include "ctl/chardev.h"
#include "ctl/suggest.h"
#include "dev/rtcbase.h"
#include "machine/disk_config.h"
#include "machine/machine.h"
#include "net/config.h"
#include "ui/keymap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_MIN MiB
#define MEMORY_MAX (GiB * 1024)

static void *field(struct machine_config *cfg, size_t offset)
{
    return (char *)cfg + offset;
}

static int set_string(struct machine_config *cfg, const struct option_def *def, const char *value,
                      struct err *err)
{
    char **p = field(cfg, def->offset);
    char *copy;

    if (!*value)
        return err_set(err, EINVAL, "is empty");
    copy = strdup(value);
    if (!copy)
        return err_set(err, ENOMEM, "out of memory");
    free(*p);
    *p = copy;
    return 0;
}

/* The kernel's command line may be empty. */
static int set_text(struct machine_config *cfg, const struct option_def *def, const char *value,
                    struct err *err)
{
    char **p = field(cfg, def->offset);

    if (*value)
        return set_string(cfg, def, value, err);
    free(*p);
    *p = NULL;
    return 0;
}

static int set_list(struct machine_config *cfg, const struct option_def *def, const char *value,
                    struct err *err)
{
    char **items = field(cfg, def->offset);
    unsigned *n = field(cfg, def->count);

    if (!*value)
        return err_set(err, EINVAL, "is empty");
    if (*n == def->max)
        return err_set(err, EINVAL, "given more than %zu times", def->max);
    items[*n] = strdup(value);
    if (!items[*n])
        return err_set(err, ENOMEM, "out of memory");
    ++*n;
    return 0;
}

static int set_serial(struct machine_config *cfg, const struct option_def *def, const char *value,
                      struct err *err)
{
    int rc = chardev_check(value, err);

    if (rc)
        return rc;
    for (unsigned i = 0; i < cfg->nserial; i++) {
        if (!strcmp(value, "stdio") && !strcmp(cfg->serial[i], "stdio"))
            return err_set(err, EINVAL, "stdio can be only one serial port");
    }
    return set_list(cfg, def, value, err);
}

static int set_port(struct machine_config *cfg, const struct option_def *def, const char *value,
                    struct err *err)
{
    int rc = chardev_check(value, err);

    return rc ? rc : set_string(cfg, def, value, err);
}

static int set_disk(struct machine_config *cfg, const struct option_def *def, const char *value,
                    struct err *err)
{
    struct disk_config parsed = {0};
    int rc = disk_parse(&parsed, value, err);

    return rc ? rc : set_list(cfg, def, value, err);
}

static int set_net(struct machine_config *cfg, const struct option_def *def, const char *value,
                   struct err *err)
{
    struct net_config parsed;
    int rc = net_parse(&parsed, value, err);

    return rc ? rc : set_list(cfg, def, value, err);
}

static int set_boot(struct machine_config *cfg, const struct option_def *def, const char *value,
                    struct err *err)
{
    int rc = machine_boot_check(value, err);

    return rc ? rc : set_string(cfg, def, value, err);
}

static const char *layout_name(size_t n)
{
    return keymap_name((unsigned)n);
}

static int set_keyboard(struct machine_config *cfg, const struct option_def *def, const char *value,
                        struct err *err)
{
    if (!keymap_find(value)) {
        err_set(err, EINVAL, "no layout '%.20s'", value);
        return option_hint(err, value, layout_name, "");
    }
    return set_string(cfg, def, value, err);
}

/* One of the words of def->arg, which has bars between them. */
static bool is_choice(const struct option_def *def, const char *value)
{
    size_t len = strlen(value);

    for (const char *word = def->arg; *word;) {
        size_t n = strcspn(word, "|");
        if (n == len && !memcmp(word, value, n))
            return true;
        word += n + (word[n] == '|');
    }
    return false;
}

static int set_choice(struct machine_config *cfg, const struct option_def *def, const char *value,
                      struct err *err)
{
    if (!is_choice(def, value))
        return err_set(err, EINVAL, "'%.20s' is none of %s", value, def->arg);
    return def->max ? set_list(cfg, def, value, err) : set_string(cfg, def, value, err);
}

static int set_display(struct machine_config *cfg, const struct option_def *def, const char *value,
                       struct err *err)
{
    if (strcmp(value, "none") != 0 && strcmp(value, "text") != 0 && strcmp(value, "vnc") != 0 &&
        strncmp(value, "vnc=", 4) != 0)
        return err_set(err, EINVAL, "no display '%.20s'; there are vnc=ADDRESS, text and none",
                       value);
    return set_string(cfg, def, value, err);
}

static int set_sound(struct machine_config *cfg, const struct option_def *def, const char *value,
                     struct err *err)
{
    if (strcmp(value, "ac97") != 0 && (strncmp(value, "ac97,wav=", 9) != 0 || !value[9]))
        return err_set(err, EINVAL, "'%.20s'; there are ac97 and ac97,wav=FILE", value);
    return set_string(cfg, def, value, err);
}

static int set_rtc(struct machine_config *cfg, const struct option_def *def, const char *value,
                   struct err *err)
{
    const char *base = strncmp(value, "base=", 5) ? value : value + 5;
    s64 offset;
    int rc = rtcbase_parse(base, 0, &offset, err);

    return rc ? rc : set_string(cfg, def, base, err);
}

static int set_switch(struct machine_config *cfg, const struct option_def *def, const char *value,
                      struct err *err)
{
    *(bool *)field(cfg, def->offset) = !strcmp(value, "true");
    return 0;
}

/* Digits, then one of the letters K, M, G, T or nothing. */
static bool parse_size(const char *text, u64 *out)
{
    static const char suffixes[] = "KMGT";
    char *end;
    const char *s;
    unsigned shift = 0;
    u64 v;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    v = strtoull(text, &end, 10);
    if (errno)
        return false;
    if (*end) {
        s = strchr(suffixes, *end & ~0x20);
        if (!s || !*s || end[1])
            return false;
        shift = 10 * (unsigned)(s - suffixes + 1);
    }
    if (v > UINT64_MAX >> shift)
        return false;
    *out = v << shift;
    return true;
}

static int set_memory(struct machine_config *cfg, const struct option_def *def, const char *value,
                      struct err *err)
{
    u64 size;

    if (!parse_size(value, &size))
        return err_set(err, EINVAL, "'%.40s' is not a size; give one such as 512M or 2G", value);
    if (size < MEMORY_MIN || size > MEMORY_MAX)
        return err_set(err, EINVAL, "'%.40s' is not between 1M and 1T", value);
    if (size % PAGE_SIZE)
        return err_set(err, EINVAL, "'%.40s' is not a multiple of 4K", value);
    cfg->memory = size;
    return 0;
}

static int set_cpus(struct machine_config *cfg, const struct option_def *def, const char *value,
                    struct err *err)
{
    u64 n;

    if (!parse_size(value, &n) || n < 1 || n > VM_MAX_CPUS)
        return err_set(err, EINVAL, "'%.40s' is not a number from 1 to %d", value, VM_MAX_CPUS);
    cfg->cpus = (unsigned)n;
    return 0;
}

static int set_code_cache(struct machine_config *cfg, const struct option_def *def,
                          const char *value, struct err *err)
{
    u64 n;

    if (!parse_size(value, &n) || n < MiB || n > 1024 * MiB)
        return err_set(err, EINVAL, "'%.40s' is not a size from 1M to 1G", value);
    cfg->code_cache = (u32)align_up(n, PAGE_SIZE);
    return 0;
}

static int set_lockstep(struct machine_config *cfg, const struct option_def *def, const char *value,
                        struct err *err)
{
    if (strcmp(value, "interp") != 0)
        return err_set(err, EINVAL, "no engine '%.40s' to compare with; there is interp", value);
    return set_string(cfg, def, value, err);
}

static const char *engine_names(size_t n)
{
    static const char *const names[] = {"auto", "dbt", "interp"};

    return n < ARRAY_SIZE(names) ? names[n] : NULL;
}

static int set_engine(struct machine_config *cfg, const struct option_def *def, const char *value,
                      struct err *err)
{
    for (size_t i = 0; engine_names(i); i++) {
        if (!strcmp(value, engine_names(i)))
            return set_string(cfg, def, value, err);
    }
    return err_set(err, EINVAL, "no engine '%.40s'; there are auto, dbt and interp", value);
}

static const struct {
    const char *name, *help;
} trace_kinds[] = {
    {"insn", "each instruction that the interpreter executes"},
    {"exception", "exceptions and interrupts as the CPU delivers them"},
    {"io", "accesses to I/O ports"},
    {"mmio", "accesses to devices in memory"},
    {"irq", "interrupt requests of devices"},
    {"msr", "RDMSR and WRMSR"},
    {"xlat", "blocks that the translator has made, and their host code"},
};

static const char *trace_names(size_t n)
{
    return n < ARRAY_SIZE(trace_kinds) ? trace_kinds[n].name : NULL;
}

void config_print_trace_kinds(FILE *to)
{
    for (size_t i = 0; i < ARRAY_SIZE(trace_kinds); i++)
        fprintf(to, "%-10s  %s\n", trace_kinds[i].name, trace_kinds[i].help);
}

int option_hint(struct err *err, const char *word, const char *(*name)(size_t n),
                const char *dashes)
{
    const char *nearest = suggest_nearest(word, name);
    size_t len = strlen(err->text);

    if (nearest)
        snprintf(err->text + len, sizeof(err->text) - len, "; did you mean '%s%s'?", dashes,
                 nearest);
    return -EINVAL;
}

static int set_trace(struct machine_config *cfg, const struct option_def *def, const char *value,
                     struct err *err)
{
    u32 kinds = 0;

    for (const char *p = value;; p++) {
        char word[33] = "";
        size_t len = strcspn(p, ",");

        memcpy(word, p, min_u64(len, sizeof(word) - 1));
        if (!len || !trace_kind_by_name(word)) {
            err_set(err, EINVAL, "no kind of trace '%s'; --trace help lists them", word);
            return option_hint(err, word, trace_names, "");
        }
        kinds |= trace_kind_by_name(word);
        p += len;
        if (!*p)
            break;
    }
    cfg->trace = kinds;
    return 0;
}

#define AT(f) .offset = offsetof(struct machine_config, f)
#define LIST(f, n)                                                                                 \
    AT(f), .count = offsetof(struct machine_config, n),                                            \
           .max = ARRAY_SIZE(((struct machine_config *)0)->f)

static int set_board(struct machine_config *cfg, const struct option_def *def, const char *value,
                     struct err *err)
{
    if (strcmp(value, "pc") != 0 && strcmp(value, "micro") != 0)
        return err_set(err, EINVAL, "no machine '%.40s'; there are pc and micro", value);
    return set_string(cfg, def, value, err);
}

static const struct option_def options[] = {
    {.name = "machine",
     .arg = "pc|micro",
     .help = "a PC with a BIOS, or one that boots a kernel directly (by what is to be booted)",
     .set = set_board,
     .owns_string = true,
     AT(board)},
    {.name = "bios",
     .arg = "FILE",
     .help = "firmware image (SeaBIOS)",
     .set = set_string,
     .owns_string = true,
     AT(bios)},
    {.name = "uefi", .help = "UEFI firmware (OVMF) instead of a BIOS", .set = set_switch, AT(uefi)},
    {.name = "nvram",
     .arg = "FILE",
     .help = "where UEFI firmware keeps its variables; made if it is not there",
     .set = set_string,
     .owns_string = true,
     AT(nvram)},
    {.name = "kernel",
     .arg = "FILE",
     .help = "Linux bzImage, ELF file with a PVH note, or Multiboot kernel",
     .set = set_string,
     .owns_string = true,
     AT(kernel)},
    {.name = "initrd",
     .arg = "FILE",
     .help = "initial RAM disk",
     .set = set_string,
     .owns_string = true,
     AT(initrd)},
    {.name = "append",
     .arg = "TEXT",
     .help = "the kernel's command line",
     .set = set_text,
     .owns_string = true,
     AT(append)},
    {.name = "module",
     .arg = "FILE[,ARGS]",
     .help = "a module for a PVH or Multiboot kernel; up to 16",
     .set = set_list,
     LIST(module, nmodules)},
    {.name = "memory",
     .arg = "SIZE",
     .help = "RAM, with suffix K, M, G or T (512M)",
     .set = set_memory},
    {.name = "cpus", .arg = "N", .help = "number of CPUs, 1 to 64 (1)", .set = set_cpus},
    {.name = "cpu",
     .arg = "MODEL[,+FEATURE,-FEATURE]",
     .help = "CPU model; 'help' lists them",
     .set = set_string,
     .help_word = CONFIG_HELP_CPU,
     .owns_string = true,
     AT(cpu)},
    {.name = "engine",
     .arg = "auto|dbt|interp",
     .help = "how guest code is executed (auto: dbt)",
     .set = set_engine,
     .owns_string = true,
     AT(engine)},
    {.name = "code-cache",
     .arg = "SIZE",
     .help = "dbt: memory for translated code, 1M to 1G (128M)",
     .set = set_code_cache},
    {.name = "exact-flags",
     .help = "dbt: faults find the arithmetic flags that no code reads as well",
     .set = set_switch,
     AT(exact_flags)},
    {.name = "lockstep",
     .arg = "interp",
     .help = "dbt: compare each block with the interpreter; needs one CPU",
     .set = set_lockstep,
     .owns_string = true,
     AT(lockstep)},
    {.name = "stats", .help = "at the end, what the engine has done", .set = set_switch, AT(stats)},
    {.name = "serial",
     .arg = "PORT",
     .help = "stdio, none, file:PATH or unix:PATH; up to four (stdio)",
     .set = set_serial,
     LIST(serial, nserial)},
    {.name = "disk",
     .arg = "FILE[,KEY=VALUE]",
     .help = "hard disk: bus=ide|ahci|usb, media=cdrom, ro, snapshot; up to 16",
     .set = set_disk,
     LIST(disk, ndisks)},
    {.name = "cdrom",
     .arg = "FILE",
     .help = "CD-ROM drive with this disc, or none",
     .set = set_disk,
     LIST(cdrom, ncdroms)},
    {.name = "floppy",
     .arg = "FILE",
     .help = "floppy drive with this disk, or none; up to two",
     .set = set_disk,
     LIST(floppy, nfloppies)},
    {.name = "boot",
     .arg = "KIND[,KIND]",
     .help = "what firmware tries, in order: disk, cdrom, floppy, net",
     .set = set_boot,
     .owns_string = true,
     AT(boot)},
    {.name = "net",
     .arg = "user|tap|socket|none[,KEY=VALUE]",
     .help = "network card: model=e1000|rtl8139|ne2k_pci|pcnet, mac=, …; up to 8",
     .set = set_net,
     LIST(net, nnets)},
    {.name = "vga",
     .arg = "std|cirrus|none",
     .help = "display adapter (std)",
     .set = set_choice,
     .owns_string = true,
     AT(vga)},
    {.name = "display",
     .arg = "vnc[=ADDRESS]|text|none",
     .help = "where the display is shown (none)",
     .set = set_display,
     .owns_string = true,
     AT(display)},
    {.name = "keyboard",
     .arg = "LAYOUT",
     .help = "the guest's keyboard layout, such as us or de (us)",
     .set = set_keyboard,
     .owns_string = true,
     AT(keyboard)},
    {.name = "usb",
     .arg = "tablet|mouse|keyboard",
     .help = "a USB device; up to 8",
     .set = set_choice,
     LIST(usb, nusbs)},
    {.name = "sound",
     .arg = "ac97[,wav=FILE]",
     .help = "sound card, and where it plays to",
     .set = set_sound,
     .owns_string = true,
     AT(sound)},
    {.name = "parallel",
     .arg = "PORT",
     .help = "parallel port, and where it prints to: as --serial",
     .set = set_port,
     .owns_string = true,
     AT(parallel)},
    {.name = "watchdog",
     .arg = "reset|poweroff|none",
     .help = "i6300ESB watchdog, and what it does when it expires",
     .set = set_choice,
     .owns_string = true,
     AT(watchdog)},
    {.name = "rtc",
     .arg = "[base=]utc|localtime|DATE",
     .help = "what the real-time clock shows at the start (utc)",
     .set = set_rtc,
     .owns_string = true,
     AT(rtc)},
    {.name = "debugcon",
     .arg = "PORT",
     .help = "where firmware's messages (port 402h) go: as --serial",
     .set = set_port,
     .owns_string = true,
     AT(debugcon)},
    {.name = "name",
     .arg = "NAME",
     .help = "name of the machine, for messages",
     .set = set_string,
     .owns_string = true,
     AT(name)},
    {.name = "debug-exit",
     .help = "port F4h ends the machine with status 2*value+1",
     .set = set_switch,
     AT(debug_exit)},
    {.name = "testdev",
     .help = "the test device of kvm-unit-tests",
     .set = set_switch,
     AT(testdev)},
    {.name = "no-reboot",
     .help = "end where the guest would reset the machine",
     .set = set_switch,
     AT(no_reboot)},
    {.name = "trace",
     .arg = "KIND[,KIND]",
     .help = "what to log; 'help' lists the kinds",
     .set = set_trace,
     .help_word = CONFIG_HELP_TRACE},
    {.name = "trace-file",
     .arg = "FILE",
     .help = "where the log goes (standard error)",
     .set = set_string,
     .owns_string = true,
     AT(trace_file)},
    {.name = "config",
     .arg = "FILE",
     .help = "options from a JSON document; those given here override it"},
};

const struct option_def *option_at(size_t n)
{
    return n < ARRAY_SIZE(options) ? &options[n] : NULL;
}

const char *option_name(size_t n)
{
    return n < ARRAY_SIZE(options) ? options[n].name : NULL;
}

const struct option_def *option_find(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        if (strlen(options[i].name) == len && !memcmp(options[i].name, name, len))
            return &options[i];
    }
    return NULL;
}

void config_print_options(FILE *to)
{
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        char left[64];

        snprintf(left, sizeof(left), "--%s%s%s", options[i].name, options[i].arg ? " " : "",
                 options[i].arg ? options[i].arg : "");
        fprintf(to, "  %-32s %s\n", left, options[i].help);
    }
    fprintf(to, "  %-32s %s\n", "--help", "this text");
}

void option_clear(struct machine_config *cfg, const struct option_def *def)
{
    char **items = field(cfg, def->offset);
    unsigned *n = field(cfg, def->count);

    if (def->owns_string) {
        free(*items);
        *items = NULL;
    } else if (def->max) {
        while (*n)
            free(items[--*n]);
    }
}
