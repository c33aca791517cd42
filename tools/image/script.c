/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs debian.sh, which is in libexec where Domus is installed, and beside the program where it has
 * been built. It has a process group of its own: Ctrl-C reaches it through us, which ask all of it
 * to end, and wait until it has tidied up.
 */
#include "image.h"
#include "os/file.h"
#include "os/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SCRIPT    "image-debian"
#define LOG       "log"
#define LOG_MAX   (64 * MiB)
#define LOG_LINES 12u /* shown where none of them is an error */
#define STAGE_MAX 200u

struct script {
    struct loop *loop;
    pid_t pid;
    int out; /* what it says of its progress */
    char line[STAGE_MAX];
    size_t len;
    int signals; /* how many */
    void (*stage)(void *opaque, const char *line);
    void *opaque;
};

/* `path`: PATH_MAX bytes. */
static int find_script(char *path, struct err *err)
{
    static const char *const places[] = {DOMUS_LIBEXEC "/" SCRIPT, SCRIPT};
    char self[PATH_MAX], *slash;
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    self[n < 0 ? 0 : n] = '\0';
    slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        if (snprintf(path, PATH_MAX, "%s/%s", self, places[i]) < PATH_MAX && !access(path, R_OK))
            return 0;
    }
    return err_set(err, ENOENT, "%s/%s is not there; is Domus installed as a whole?", self,
                   places[0]);
}

static _Noreturn void child(const char *script, const char *dir, int out, bool verbose)
{
    sigset_t none;
    int in = open("/dev/null", O_RDONLY), log = 2;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    if (chdir(dir))
        _exit(126);
    if (!verbose)
        log = open(LOG, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (in < 0 || log < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(log, 2) < 0)
        _exit(126);
    close_range(3, UINT_MAX, 0);
    execlp("bash", "bash", script, NULL);
    dprintf(2, "E: bash: %s\n", strerror(errno));
    _exit(127);
}

/* A line is handed over once it is whole; of a very long one, the start. */
static void on_output(void *opaque, unsigned events)
{
    struct script *s = opaque;
    char buf[512];
    ssize_t n = read(s->out, buf, sizeof(buf));

    if (n <= 0) {
        if (!n || errno != EINTR)
            loop_stop(s->loop);
        return;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (buf[i] != '\n') {
            if (s->len < STAGE_MAX - 1)
                s->line[s->len++] = buf[i];
            continue;
        }
        s->line[s->len] = '\0';
        s->len = 0;
        s->stage(s->opaque, s->line);
    }
}

static void on_signal(void *opaque, int sig)
{
    struct script *s = opaque;

    kill(-s->pid, s->signals++ ? SIGKILL : SIGTERM);
}

static u64 no_deadline(void *opaque)
{
    return UINT64_MAX;
}

static int watch(struct script *s, struct err *err)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    struct loop_fd *f;
    int status = 0, rc = loop_add(s->loop, &f, s->out, LOOP_READ, on_output, s, err);

    if (!rc)
        rc = loop_signals(s->loop, signals, ARRAY_SIZE(signals), on_signal, s, err);
    if (!rc)
        rc = loop_run(s->loop, no_deadline, NULL, err);
    if (rc)
        kill(-s->pid, SIGTERM);
    while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!rc && s->signals)
        rc = err_set(err, EINTR, "stopped by a signal; nothing was made");
    if (!rc && status)
        rc = err_set(err, EIO, "the installation failed");
    return rc;
}

int image_script_run(const char *dir, bool verbose, void (*stage)(void *opaque, const char *line),
                     void *opaque, struct err *err)
{
    struct script s = {.stage = stage, .opaque = opaque};
    char path[PATH_MAX];
    int pipe_fd[2], rc = find_script(path, err);

    if (rc)
        return rc;
    if (pipe2(pipe_fd, O_CLOEXEC))
        return err_set(err, errno, "cannot make a pipe: %s", strerror(errno));
    s.out = pipe_fd[0];
    rc = loop_new(&s.loop, err);
    if (!rc && (s.pid = fork()) < 0)
        rc = err_set(err, errno, "cannot start a process: %s", strerror(errno));
    if (!rc && !s.pid)
        child(path, dir, pipe_fd[1], verbose);
    close(pipe_fd[1]);
    if (!rc) {
        setpgid(s.pid, s.pid); /* as the child does: whoever comes first */
        rc = watch(&s, err);
    }
    close(pipe_fd[0]);
    loop_free(s.loop);
    return rc;
}

bool image_signal_pending(void)
{
    sigset_t set;

    return !sigpending(&set) && (sigismember(&set, SIGTERM) == 1 ||
                                 sigismember(&set, SIGINT) == 1 || sigismember(&set, SIGHUP) == 1);
}

/* What apt, dpkg and mmdebstrap call errors; if there are none, how the log ends. */
void image_script_explain(const char *dir)
{
    char path[PATH_MAX];
    struct err err;
    u8 *log = NULL;
    size_t size = 0, from;
    unsigned lines = 0, errors = 0;

    if (snprintf(path, sizeof(path), "%s/" LOG, dir) >= PATH_MAX ||
        file_read_all(path, &log, &size, LOG_MAX, &err))
        return;
    for (size_t at = 0, len; at < size; at += len + 1) {
        const u8 *end = memchr(log + at, '\n', size - at);
        len = end ? (size_t)(end - log) - at : size - at;
        if (len > 3 && (!memcmp(log + at, "E: ", 3) || !memcmp(log + at, "Err:", 4)) &&
            errors++ < LOG_LINES)
            fprintf(stderr, "  %.*s\n", (int)min_u64(len, 400), (const char *)log + at);
    }
    for (from = size; !errors && from > 0 && lines <= LOG_LINES; from--)
        lines += log[from - 1] == '\n';
    if (!errors)
        fwrite(log + from + (from > 0), 1, size - from - (from > 0), stderr);
    free(log);
}
