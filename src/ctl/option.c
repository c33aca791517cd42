/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table, and what is read off it. Values arrive as text, as a command line has them. */
#include "ctl/option.h"

#include "ctl/option_set.h"
#include "ctl/suggest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define AT(f) .offset = offsetof(struct machine_config, f)
#define LIST(f, n)                                                                                 \
    AT(f), .count = offsetof(struct machine_config, n),                                            \
           .max = ARRAY_SIZE(((struct machine_config *)0)->f)

static const struct option_def options[] = {
    {.name = "machine",
     .arg = "pc|micro",
     .help = "a PC with a BIOS, or one that boots a kernel directly (by what is to be booted)",
     .set = option_set_board,
     .owns_string = true,
     AT(board)},
    {.name = "bios",
     .arg = "FILE",
     .help = "firmware image (SeaBIOS)",
     .set = option_set_string,
     .owns_string = true,
     AT(bios)},
    {.name = "uefi",
     .help = "UEFI firmware (OVMF) instead of a BIOS",
     .set = option_set_switch,
     AT(uefi)},
    {.name = "nvram",
     .arg = "FILE",
     .help = "where UEFI firmware keeps its variables; made if it is not there",
     .set = option_set_string,
     .owns_string = true,
     AT(nvram)},
    {.name = "kernel",
     .arg = "FILE",
     .help = "Linux bzImage, ELF file with a PVH note, or Multiboot kernel",
     .set = option_set_string,
     .owns_string = true,
     AT(kernel)},
    {.name = "initrd",
     .arg = "FILE",
     .help = "initial RAM disk",
     .set = option_set_string,
     .owns_string = true,
     AT(initrd)},
    {.name = "append",
     .arg = "TEXT",
     .help = "the kernel's command line",
     .set = option_set_text,
     .owns_string = true,
     AT(append)},
    {.name = "module",
     .arg = "FILE[,ARGS]",
     .help = "a module for a PVH or Multiboot kernel; up to 16",
     .set = option_set_list,
     LIST(module, nmodules)},
    {.name = "memory",
     .arg = "SIZE",
     .help = "RAM, with suffix K, M, G or T (512M)",
     .set = option_set_memory},
    {.name = "cpus",
     .arg = "N[,sockets=S]",
     .help = "number of CPUs, 1 to 64 (1), and of packages",
     .set = option_set_cpus},
    {.name = "cpu",
     .arg = "MODEL[,+FEATURE,-FEATURE]",
     .help = "CPU model; 'help' lists them",
     .set = option_set_string,
     .help_word = CONFIG_HELP_CPU,
     .owns_string = true,
     AT(cpu)},
    {.name = "engine",
     .arg = "auto|dbt|interp",
     .help = "how guest code is executed (auto: dbt)",
     .set = option_set_engine,
     .owns_string = true,
     AT(engine)},
    {.name = "code-cache",
     .arg = "SIZE",
     .help = "dbt: memory for translated code, 1M to 1G (128M)",
     .set = option_set_code_cache},
    {.name = "exact-flags",
     .help = "dbt: faults find the arithmetic flags that no code reads as well",
     .set = option_set_switch,
     AT(exact_flags)},
    {.name = "lockstep",
     .arg = "interp",
     .help = "dbt: compare each block with the interpreter; needs one CPU",
     .set = option_set_lockstep,
     .owns_string = true,
     AT(lockstep)},
    {.name = "stats",
     .help = "at the end, what the engine has done",
     .set = option_set_switch,
     AT(stats)},
    {.name = "serial",
     .arg = "PORT",
     .help = "stdio, none, file:PATH or unix:PATH; up to four (stdio)",
     .set = option_set_serial,
     LIST(serial, nserial)},
    {.name = "disk",
     .arg = "FILE[,KEY=VALUE]",
     .help = "hard disk: bus=ide|ahci|usb|xhci|virtio|scsi, media=cdrom, format=, ro, snapshot; up "
             "to 16",
     .set = option_set_disk,
     LIST(disk, ndisks)},
    {.name = "cdrom",
     .arg = "FILE",
     .help = "CD-ROM drive with this disc, or none",
     .set = option_set_cdrom,
     LIST(cdrom, ncdroms)},
    {.name = "floppy",
     .arg = "FILE",
     .help = "floppy drive with this disk, or none; up to two",
     .set = option_set_floppy,
     LIST(floppy, nfloppies)},
    {.name = "boot",
     .arg = "KIND[,KIND]",
     .help = "what firmware tries, in order: disk, cdrom, floppy, net",
     .set = option_set_boot,
     .owns_string = true,
     AT(boot)},
    {.name = "net",
     .arg = "KIND[,KEY=VALUE]",
     .help = "network card on user, tap, bridge=, routed, socket, switch= or none: model=, mac=, "
             "…; up to 8",
     .set = option_set_net,
     LIST(net, nnets)},
    {.name = "vga",
     .arg = "std|cirrus|virtio|none",
     .help = "display adapter (std)",
     .set = option_set_choice,
     .owns_string = true,
     AT(vga)},
    {.name = "display",
     .arg = "vnc[=ADDRESS]|text|none",
     .help = "where the display is shown (none)",
     .set = option_set_display,
     .owns_string = true,
     AT(display)},
    {.name = "keyboard",
     .arg = "LAYOUT",
     .help = "the guest's keyboard layout, such as us or de (us)",
     .set = option_set_keyboard,
     .owns_string = true,
     AT(keyboard)},
    {.name = "usb",
     .arg = "tablet|mouse|keyboard[,bus=xhci]",
     .help = "a USB device, and its controller; up to 8",
     .set = option_set_usb,
     LIST(usb, nusbs)},
    {.name = "sound",
     .arg = "ac97[,wav=FILE]",
     .help = "sound card, and where it plays to",
     .set = option_set_sound,
     .owns_string = true,
     AT(sound)},
    {.name = "parallel",
     .arg = "PORT",
     .help = "parallel port, and where it prints to: as --serial",
     .set = option_set_port,
     .owns_string = true,
     AT(parallel)},
    {.name = "watchdog",
     .arg = "reset|poweroff|none",
     .help = "i6300ESB watchdog, and what it does when it expires",
     .set = option_set_choice,
     .owns_string = true,
     AT(watchdog)},
    {.name = "rng", .help = "virtio entropy device", .set = option_set_switch, AT(rng)},
    {.name = "balloon",
     .arg = "SIZE",
     .help = "virtio memory balloon, and how much the guest shall give back",
     .set = option_set_balloon},
    {.name = "console",
     .arg = "PORT[,name=NAME]",
     .help = "port of a virtio console: as --serial; with a name, no console; up to 8",
     .set = option_set_console,
     LIST(console, nconsoles)},
    {.name = "input",
     .arg = "tablet|mouse|keyboard",
     .help = "a virtio input device; up to 8",
     .set = option_set_input,
     LIST(input, ninputs)},
    {.name = "share",
     .arg = "FOLDER[,tag=NAME][,ro]",
     .help = "a folder of the host that the guest mounts by 9P; up to 8",
     .set = option_set_share,
     LIST(share, nshares)},
    {.name = "vsock",
     .arg = "cid=N,path=SOCKET",
     .help = "virtio sockets between the guest and unix sockets of the host",
     .set = option_set_vsock,
     .owns_string = true,
     AT(vsock)},
    {.name = "rtc",
     .arg = "[base=]utc|localtime|DATE",
     .help = "what the real-time clock shows at the start (utc)",
     .set = option_set_rtc,
     .owns_string = true,
     AT(rtc)},
    {.name = "debugcon",
     .arg = "PORT",
     .help = "where firmware's messages (port 402h) go: as --serial",
     .set = option_set_port,
     .owns_string = true,
     AT(debugcon)},
    {.name = "qmp",
     .arg = "unix:PATH",
     .help = "a control socket that speaks QMP (domus qmp is a client)",
     .set = option_set_qmp,
     .owns_string = true,
     AT(qmp)},
    {.name = "name",
     .arg = "NAME",
     .help = "name of the machine, for messages",
     .set = option_set_string,
     .owns_string = true,
     AT(name)},
    {.name = "debug-exit",
     .help = "port F4h ends the machine with status 2*value+1",
     .set = option_set_switch,
     AT(debug_exit)},
    {.name = "testdev",
     .help = "the test device of kvm-unit-tests",
     .set = option_set_switch,
     AT(testdev)},
    {.name = "no-reboot",
     .help = "end where the guest would reset the machine",
     .set = option_set_switch,
     AT(no_reboot)},
    {.name = "trace",
     .arg = "KIND[,KIND]",
     .help = "what to log; 'help' lists the kinds",
     .set = option_set_trace,
     .help_word = CONFIG_HELP_TRACE},
    {.name = "trace-file",
     .arg = "FILE",
     .help = "where the log goes (standard error)",
     .set = option_set_string,
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
    char **items = option_field(cfg, def->offset);
    unsigned *n = option_field(cfg, def->count);

    if (def->owns_string) {
        free(*items);
        *items = NULL;
    } else if (def->max) {
        while (*n)
            free(items[--*n]);
    }
}
