/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A signal handler can reach nothing but file-scope state, hence the one object here; it is on
 * the allow-list of scripts/check-globals.
 */
#include "os/term.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static struct {
    atomic_int fd; /* the terminal in raw mode, plus 1; 0 for none */
    bool at_exit;
    struct termios saved, raw;
} term;

/* Those whose default action ends the process and that the event loop does not take over. */
static const int fatal_signals[] = {SIGQUIT, SIGILL,  SIGTRAP, SIGABRT, SIGBUS, SIGFPE,
                                    SIGSEGV, SIGPIPE, SIGALRM, SIGSYS,  SIGXCPU};

void term_restore(void)
{
    int fd = atomic_exchange(&term.fd, 0);

    if (fd)
        tcsetattr(fd - 1, TCSADRAIN, &term.saved);
}

static void fatal(int sig)
{
    int fd = atomic_exchange(&term.fd, 0);

    /* Not TCSADRAIN: a terminal that is stopped would hold the dying process. */
    if (fd)
        tcsetattr(fd - 1, TCSANOW, &term.saved);
    raise(sig); /* SA_RESETHAND: now the default action */
}

static void catch_fatal(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(fatal_signals); i++) {
        struct sigaction old, act = {.sa_handler = fatal, .sa_flags = (int)SA_RESETHAND};

        if (sigaction(fatal_signals[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
            sigaction(fatal_signals[i], &act, NULL);
    }
}

int term_raw(int fd, struct err *err)
{
    if (!isatty(fd))
        return 0;
    BUG_ON(atomic_load(&term.fd));
    if (tcgetattr(fd, &term.saved) < 0)
        return err_set(err, errno, "terminal: %s", strerror(errno));
    term.raw = term.saved;
    cfmakeraw(&term.raw);
    if (!term.at_exit)
        atexit(term_restore);
    term.at_exit = true;
    catch_fatal();
    atomic_store(&term.fd, fd + 1);
    if (tcsetattr(fd, TCSADRAIN, &term.raw) < 0) {
        atomic_store(&term.fd, 0);
        return err_set(err, errno, "terminal: %s", strerror(errno));
    }
    return 0;
}

void term_suspend(void)
{
    int fd = atomic_load(&term.fd);

    if (fd)
        tcsetattr(fd - 1, TCSANOW, &term.saved);
}

void term_resume(void)
{
    int fd = atomic_load(&term.fd);

    if (fd)
        tcsetattr(fd - 1, TCSADRAIN, &term.raw);
}
