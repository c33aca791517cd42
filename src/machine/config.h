/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a machine is made of, as ctl/config.c reads it from options and files. Strings are owned
   by the config; NULL where not given. */
#pragma once
#include "base/base.h"

#define MACHINE_MAX_SERIAL   4
#define MACHINE_MAX_CONSOLES 8
#define MACHINE_MAX_SHARES   8
#define MACHINE_MAX_INPUTS   8
#define MACHINE_MAX_DISKS    16
#define MACHINE_MAX_NICS     8
#define MACHINE_MAX_USB      8
#define MACHINE_MAX_MODULES  16

struct machine_config {
    char *name;
    char *board;    /* "pc", "micro"; NULL: by what is to be booted */
    char *bios;     /* a file; NULL: SeaBIOS as Debian has it */
    bool uefi;      /* OVMF instead of SeaBIOS */
    char *nvram;    /* UEFI variables; NULL: forgotten at the end */
    char *debugcon; /* where port 402h writes, as chardev_open takes it; NULL: nowhere */
    char *kernel, *initrd, *append;
    char *module[MACHINE_MAX_MODULES]; /* FILE[,ARGS] */
    unsigned nmodules;
    /* As disk_parse takes it: disks, CD-ROMs and floppies. */
    char *disk[MACHINE_MAX_DISKS], *cdrom[MACHINE_MAX_DISKS], *floppy[2];
    unsigned ndisks, ncdroms, nfloppies;
    char *boot;                  /* words of board_boot_words; NULL: disk, cdrom, floppy, net */
    char *net[MACHINE_MAX_NICS]; /* as net_parse takes it */
    unsigned nnets;
    char *vga;                  /* "std", "cirrus", "virtio", "none"; NULL: std */
    char *display;              /* "none", "text", "vnc=…"; NULL: none */
    char *keyboard;             /* the guest's layout; NULL: us */
    char *usb[MACHINE_MAX_USB]; /* see machine/usb_config.h */
    unsigned nusbs;
    char *parallel; /* as chardev_open takes it; NULL: no such port */
    char *sound;    /* "ac97" or "ac97,wav=FILE"; NULL: none */
    char *watchdog; /* what it does: "reset", "poweroff", "none"; NULL: there is none */
    bool rng;       /* a virtio entropy device */
    bool has_balloon;
    u64 balloon; /* bytes that the guest shall give back */
    char *rtc;   /* as rtcbase_parse takes it; NULL: utc */
    u64 memory;  /* bytes */
    unsigned cpus;
    unsigned sockets; /* packages of the same size, a power of two; 0: one, of any size */
    char *cpu;        /* as cpu_model_parse takes it */
    char *engine;
    u32 code_cache; /* bytes; 0: the default */
    bool exact_flags;
    char *lockstep; /* the engine to compare with; NULL: none */
    bool stats;
    char *serial[MACHINE_MAX_SERIAL]; /* as chardev_open takes it */
    unsigned nserial;
    char *console[MACHINE_MAX_CONSOLES]; /* virtio: "PORT" or "PORT,name=NAME" */
    unsigned nconsoles;
    char *input[MACHINE_MAX_INPUTS]; /* as virtio_input_parse takes it */
    unsigned ninputs;
    char *share[MACHINE_MAX_SHARES]; /* as share_parse takes it */
    unsigned nshares;
    char *vsock; /* as vsock_parse takes it; NULL: none */
    u32 trace;   /* enum trace_kind bits */
    char *trace_file;
    char *qmp; /* as qmp_check takes it; NULL: none */
    bool debug_exit, testdev, no_reboot;
};
