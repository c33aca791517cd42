/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * domus run: options, serial ports, signals, exit status.
 *
 * SIGTERM, SIGINT and SIGHUP press the power button; a second one ends the machine at once. All
 * of this is in the main thread, in the event loop.
 */
#include "commands.h"
#include "cpu/cpuid.h"
#include "ctl/chardev.h"
#include "ctl/config.h"
#include "ctl/qmp.h"
#include "machine/machine.h"
#include "os/loop.h"
#include "os/term.h"
#include "ui/textview.h"
#include "ui/vnc.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct session {
    struct machine_config cfg;
    struct loop *loop;
    struct machine *machine;
    struct chardev *serial[MACHINE_MAX_SERIAL];
    struct chardev *console[MACHINE_MAX_CONSOLES];
    struct console_port {
        struct session *s;
        unsigned n;
    } console_port[MACHINE_MAX_CONSOLES];
    struct chardev *debugcon, *parallel;
    struct vnc *vnc;
    struct qmp *qmp;
    struct textview *text;
    FILE *trace;
    unsigned asked; /* how often a signal asked for the end */
};

/* A line for the user. The terminal may be in raw mode: hence the carriage return. */
static void printf_like(2, 3) say(const struct session *s, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "domus: %s%s", s->cfg.name ? s->cfg.name : "", s->cfg.name ? ": " : "");
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputs(s->serial[0] && chardev_is_terminal(s->serial[0]) ? "\r\n" : "\n", stderr);
}

static void on_quit(void *opaque)
{
    struct session *s = opaque;

    machine_end(s->machine, MACHINE_OK);
}

static void on_hold(void *opaque, bool on)
{
    struct session *s = opaque;

    if (s->machine)
        machine_hold(s->machine, on);
}

static void on_signal(void *opaque, int sig)
{
    struct session *s = opaque;

    if (sig == SIGTSTP) {
        term_suspend();
        raise(SIGSTOP);
    } else if (sig == SIGCONT) {
        term_resume();
    } else if (s->asked++) {
        machine_end(s->machine, 128 + sig);
    } else {
        say(s, "power button pressed; once more ends the machine at once");
        machine_power_button(s->machine);
    }
}

static int open_trace(struct session *s, struct err *err)
{
    s->trace = s->cfg.trace_file ? fopen(s->cfg.trace_file, "we") : stderr;
    if (!s->trace)
        return err_set(err, errno, "--trace-file: cannot write to %s: %s", s->cfg.trace_file,
                       strerror(errno));
    return 0;
}

static int open_serial(struct session *s, struct machine_host *host, struct err *err)
{
    struct chardev_owner owner = {.quit = on_quit, .hold = on_hold, .opaque = s};

    for (unsigned i = 0; i < s->cfg.nserial; i++) {
        int rc = chardev_open(&s->serial[i], s->loop, s->cfg.serial[i], &owner, err);
        if (rc) {
            err_prefix(err, "--serial");
            return rc;
        }
        host->serial[i] = chardev_backend(s->serial[i]);
    }
    return 0;
}

/* The port's part of --console. */
static int open_console(struct session *s, unsigned n, struct machine_host *host, struct err *err)
{
    struct chardev_owner owner = {.quit = on_quit, .hold = on_hold, .opaque = s};
    const char *spec = s->cfg.console[n], *name = strstr(spec, ",name=");
    char *port = strndup(spec, name ? (size_t)(name - spec) : strlen(spec));
    int rc;

    if (!port)
        return err_set(err, ENOMEM, "out of memory");
    rc = chardev_open(&s->console[n], s->loop, port, &owner, err);
    free(port);
    if (rc)
        err_prefix(err, "--console");
    else
        host->console[n] = chardev_backend(s->console[n]);
    return rc;
}

static int open_consoles(struct session *s, struct machine_host *host, struct err *err)
{
    int rc = 0;

    host->console_room = chardev_deliver;
    for (unsigned n = 0; n < s->cfg.nconsoles && !rc; n++)
        rc = open_console(s, n, host, err);
    return rc;
}

static size_t console_room(void *opaque)
{
    const struct console_port *p = opaque;

    return machine_console_room(p->s->machine, p->n);
}

static void console_receive(void *opaque, const u8 *buf, size_t n)
{
    const struct console_port *p = opaque;

    machine_console_receive(p->s->machine, p->n, buf, n);
}

static int start_consoles(struct session *s, struct err *err)
{
    int rc = 0;

    for (unsigned n = 0; n < s->cfg.nconsoles && !rc; n++) {
        struct chardev_sink sink = {console_room, console_receive, NULL, &s->console_port[n]};
        s->console_port[n] = (struct console_port){s, n};
        chardev_connect_sink(s->console[n], &sink, machine_lock(s->machine));
        rc = chardev_start(s->console[n], err);
    }
    return rc;
}

static int open_port(struct session *s, struct chardev **out, const char *spec, const char *option,
                     struct ns16550a_backend *backend, struct err *err)
{
    struct chardev_owner owner = {.quit = on_quit, .hold = on_hold, .opaque = s};
    int rc;

    if (!spec)
        return 0;
    rc = chardev_open(out, s->loop, spec, &owner, err);
    if (rc)
        err_prefix(err, "%s", option);
    else
        *backend = chardev_backend(*out);
    return rc;
}

static int start_vnc(struct session *s, struct err *err)
{
    const char *eq = strchr(s->cfg.display, '=');
    struct vnc_config cfg = {
        .where = eq ? eq + 1 : "",
        .keyboard = s->cfg.keyboard,
        .name = s->cfg.name ? s->cfg.name : "Domus",
        .display = machine_display(s->machine),
        .input = machine_input(s->machine),
        .lock = machine_lock(s->machine),
    };
    int rc = vnc_new(&s->vnc, &cfg, err);

    if (!rc)
        say(s, "the display is at vnc://%s", vnc_address(s->vnc));
    return rc;
}

static int start_text(struct session *s, struct err *err)
{
    struct textview_config cfg = {
        .in = STDIN_FILENO,
        .out = STDOUT_FILENO,
        .keyboard = s->cfg.keyboard,
        .display = machine_display(s->machine),
        .input = machine_input(s->machine),
        .lock = machine_lock(s->machine),
        .quit = on_quit,
        .quit_opaque = s,
    };

    return textview_new(&s->text, &cfg, err);
}

static int start_display(struct session *s, struct err *err)
{
    int rc;

    if (!s->cfg.display || !strcmp(s->cfg.display, "none"))
        return 0;
    if (!machine_display(s->machine))
        rc = err_set(err, EINVAL, "this machine has no display adapter; --machine pc has one");
    else
        rc = strcmp(s->cfg.display, "text") ? start_vnc(s, err) : start_text(s, err);
    if (rc)
        err_prefix(err, "--display");
    return rc;
}

static int start_qmp(struct session *s, struct err *err)
{
    struct qmp_config cfg = {
        .loop = s->loop,
        .machine = s->machine,
        .where = s->cfg.qmp,
        .name = s->cfg.name,
        .vnc = s->vnc,
        .vnc_password = s->vnc && strstr(s->cfg.display, ",password="),
    };
    int rc = s->cfg.qmp ? qmp_new(&s->qmp, &cfg, err) : 0;

    if (rc)
        err_prefix(err, "--qmp");
    return rc;
}

static int start_serial(struct session *s, struct err *err)
{
    for (unsigned i = 0; i < s->cfg.nserial; i++) {
        int rc;
        chardev_connect(s->serial[i], machine_uart(s->machine, i), machine_lock(s->machine));
        rc = chardev_start(s->serial[i], err);
        if (rc)
            return rc;
    }
    return 0;
}

static int run(struct session *s, struct err *err)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGTSTP, SIGCONT};
    struct machine_host host = {0};
    int rc = loop_new(&s->loop, err);

    if (!rc)
        rc = open_trace(s, err);
    host.loop = s->loop;
    host.trace = s->trace;
    if (!rc)
        rc = open_serial(s, &host, err);
    if (!rc)
        rc = open_consoles(s, &host, err);
    if (!rc)
        rc = open_port(s, &s->debugcon, s->cfg.debugcon, "--debugcon", &host.debugcon, err);
    if (!rc)
        rc = open_port(s, &s->parallel, s->cfg.parallel, "--parallel", &host.parallel, err);
    if (!rc)
        rc = machine_new(&s->machine, &s->cfg, &host, err);
    if (!rc)
        rc = loop_signals(s->loop, signals, ARRAY_SIZE(signals), on_signal, s, err);
    if (!rc)
        rc = start_serial(s, err);
    if (!rc)
        rc = start_consoles(s, err);
    if (!rc)
        rc = start_display(s, err);
    if (!rc)
        rc = start_qmp(s, err);
    if (!rc)
        rc = machine_run(s->machine, err);
    return rc;
}

static void close_session(struct session *s, int status)
{
    qmp_free(s->qmp);
    textview_free(s->text);
    vnc_free(s->vnc);
    machine_free(s->machine);
    s->machine = NULL;
    for (unsigned i = 0; i < MACHINE_MAX_SERIAL; i++)
        chardev_close(s->serial[i]);
    for (unsigned i = 0; i < MACHINE_MAX_CONSOLES; i++)
        chardev_close(s->console[i]);
    chardev_close(s->debugcon);
    chardev_close(s->parallel);
    memset(s->serial, 0, sizeof(s->serial));
    loop_free(s->loop);
    if (status == MACHINE_TRIPLE)
        say(s, "triple fault, and --no-reboot was given");
    if (status == MACHINE_CRASH)
        say(s, "the two engines of --lockstep differ, as shown above");
    if (s->trace && s->trace != stderr)
        fclose(s->trace);
    config_dispose(&s->cfg);
}

static int print_help(enum config_help help)
{
    const char *name;

    switch (help) {
    case CONFIG_HELP_CPU:
        for (size_t i = 0; (name = cpu_model_name(i)); i++)
            printf("%s\n", name);
        break;
    case CONFIG_HELP_TRACE:
        config_print_trace_kinds(stdout);
        break;
    default:
        printf("Usage: domus run [IMAGE…] [OPTION…]\nBoots a disk image, a CD-ROM or a kernel in a "
               "virtual machine. An IMAGE is a\ndisk by virtio, and brings a network "
               "and 1G of memory unless options say otherwise.\n\n");
        config_print_options(stdout);
        printf("\nOn a terminal, Ctrl-A x ends the machine and Ctrl-A h lists the other keys.\n");
    }
    return 0;
}

/* The first serial port is the terminal, unless the user says otherwise or the text display is. */
static int default_serial(struct machine_config *cfg, struct err *err)
{
    bool taken = cfg->display && !strcmp(cfg->display, "text");

    if (cfg->nserial)
        return 0;
    cfg->serial[0] = strdup(taken ? "none" : "stdio");
    if (!cfg->serial[0])
        return err_set(err, ENOMEM, "out of memory");
    cfg->nserial = 1;
    return 0;
}

int cmd_run(int argc, char **argv)
{
    struct session s = {0};
    enum config_help help = CONFIG_NO_HELP;
    struct err err = {0};
    int rc;

    signal(SIGPIPE, SIG_IGN); /* a reader that goes away is no reason to end a machine */
    config_init(&s.cfg);
    rc = config_parse_args(&s.cfg, argc, argv, &help, &err);
    if (!rc && help != CONFIG_NO_HELP) {
        config_dispose(&s.cfg);
        return print_help(help);
    }
    if (!rc)
        rc = config_check(&s.cfg, &err);
    if (!rc)
        rc = default_serial(&s.cfg, &err);
    if (!rc)
        rc = run(&s, &err);
    close_session(&s, rc);
    if (rc >= 0)
        return rc;
    fprintf(stderr, "domus: %s\n", err.text);
    return MACHINE_SETUP;
}
