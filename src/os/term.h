/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The terminal in raw mode: every key goes to the guest, Ctrl-C included. The former mode comes
 * back with term_restore, when the process exits, and when it dies of a signal that can be
 * caught. Main thread.
 */
#pragma once
#include "base/base.h"
#include "base/err.h"

/* Does nothing if fd is not a terminal. At most one terminal for each process. */
must_check int term_raw(int fd, struct err *err);
/* The former mode while the process is stopped (SIGTSTP), and raw mode again. */
void term_suspend(void);
void term_resume(void);
void term_restore(void);
