/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands of the `domus` binary: argv[0] is the command's name; the exit status comes back. */
#pragma once

int cmd_run(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_switch(int argc, char **argv);
int cmd_image(int argc, char **argv);
int cmd_qmp(int argc, char **argv);
/* Also as `qemu-img`, when argv[0] is that. */
int cmd_img(int argc, char **argv);
