/* SPDX-License-Identifier: GPL-2.0-or-later */
/* domus COMMAND …: finds the command. */
#include "commands.h"
#include "ctl/suggest.h"
#include "machine/version.h"

#include <stdio.h>
#include <string.h>

static int cmd_help(int argc, char **argv);

static const struct {
    const char *name, *help;
    int (*main)(int argc, char **argv);
} commands[] = {
    {"run", "boot a kernel in a virtual machine", cmd_run},
    {"img", "make, look at, convert and repair disk images", cmd_img},
    {"switch", "a virtual switch between machines", cmd_switch},
    {"image", "make a disk image with Debian on it", cmd_image},
    {"doctor", "what this host offers, and what Domus does with it", cmd_doctor},
    {"qmp", "send a command to a running machine", cmd_qmp},
    {"help", "this text; with the name of a command, its options", cmd_help},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const char *command_name(size_t n)
{
    return n < COMMANDS ? commands[n].name : NULL;
}

static int unknown(const char *name)
{
    const char *near = suggest_nearest(name, command_name);

    fprintf(stderr, "domus: unknown command '%.60s'; ", name);
    if (near)
        fprintf(stderr, "did you mean '%s'?\n", near);
    else
        fprintf(stderr, "domus --help lists them\n");
    return 1;
}

static void print_help(FILE *to)
{
    fprintf(to, "Usage: domus COMMAND [OPTION…]\n"
                "Runs x86 virtual machines. Commands:\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].help);
    fprintf(to, "\n  --help, --version\n\nThe manual: man domus\n");
}

static int run_command(const char *name, int argc, char **argv)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (!strcmp(name, commands[i].name))
            return commands[i].main(argc, argv);
    }
    return unknown(name);
}

static int cmd_help(int argc, char **argv)
{
    char help[] = "--help";
    char *args[] = {argv[1], help, NULL};

    if (argc > 1 && strcmp(argv[1], "help"))
        return run_command(argv[1], 2, args);
    print_help(stdout);
    return 0;
}

int main(int argc, char **argv)
{
    const char *self = argc ? strrchr(argv[0], '/') : NULL;

    self = self ? self + 1 : argc ? argv[0] : "";
    if (!strcmp(self, "qemu-img")) {
        char name[] = "qemu-img";
        argv[0] = name;
        return cmd_img(argc, argv);
    }
    if (argc < 2) {
        fprintf(stderr, "domus: no command given; domus --help lists them\n");
        return 1;
    }
    if (!strcmp(argv[1], "--version")) {
        printf("domus %s\n", DOMUS_VERSION);
        return 0;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        print_help(stdout);
        return 0;
    }
    return run_command(argv[1], argc - 1, argv + 1);
}
