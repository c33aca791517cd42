/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The switch's process. */
#include "net/switch.h"
#include "os/file.h"
#include "switch.h"
#include "vswitch/control.h"
#include "vswitch/vswitch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_MAX  MiB
#define WORDS_MAX 64u

struct server {
    struct vswitch *sw;
    struct control *control;
    struct loop *loop;
    struct clock *clk;
    pthread_mutex_t lock;
    char dir[SWITCH_PATH_MAX];
};

/* The text is changed. */
static int execute_line(struct server *s, char *line, struct err *err)
{
    const char *words[WORDS_MAX];
    size_t n = 0;
    char *rest = NULL;

    for (char *word = strtok_r(line, " \t\r", &rest); word; word = strtok_r(NULL, " \t\r", &rest)) {
        if (n == WORDS_MAX)
            return err_set(err, EINVAL, "more than %u words", WORDS_MAX);
        words[n++] = word;
    }
    if (!n || *words[0] == '#')
        return 0;
    json_t *val = vswitch_execute(s->sw, words, n, err);
    json_decref(val);
    return val ? 0 : -EINVAL;
}

static int execute_file(struct server *s, const char *path, struct err *err)
{
    u8 *data;
    size_t size;
    char *text = NULL, *line, *rest = NULL;
    int rc = file_read_all(path, &data, &size, FILE_MAX, err);
    unsigned number = 0;

    if (rc)
        return rc;
    text = strndup((char *)data, size);
    free(data);
    if (!text)
        return err_set(err, ENOMEM, "out of memory");
    rest = text;
    while (!rc && (line = strsep(&rest, "\n"))) {
        number++;
        rc = execute_line(s, line, err);
        if (rc)
            err_prefix(err, "%s:%u", path, number);
    }
    free(text);
    return rc;
}

static int execute_texts(struct server *s, int n, char **texts, struct err *err)
{
    char any[] = "port " SWITCH_ANY_PORT " shared=on";
    int rc = execute_line(s, any, err);

    for (int i = 0; i < n && !rc; i++)
        rc = *texts[i] == '@' ? execute_file(s, texts[i] + 1, err) : execute_line(s, texts[i], err);
    return rc;
}

static void on_signal(void *opaque, int sig)
{
    struct server *s = opaque;

    loop_stop(s->loop);
}

static void on_earlier(void *opaque)
{
    struct server *s = opaque;

    loop_wake(s->loop);
}

static u64 before_wait(void *opaque)
{
    struct server *s = opaque;
    u64 ns;

    vswitch_tidy(s->sw);
    pthread_mutex_lock(&s->lock);
    ns = clock_run(s->clk);
    pthread_mutex_unlock(&s->lock);
    return ns;
}

static int set_up(struct server *s, const char *name, struct err *err)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    struct vswitch_config cfg = {.dir = s->dir, .lock = &s->lock};
    int rc = switch_dir(s->dir, name, err);

    if (!rc)
        rc = switch_dir_make(s->dir, err);
    if (!rc && clock_new(&s->clk))
        rc = err_set(err, ENOMEM, "out of memory");
    if (!rc)
        rc = loop_new(&s->loop, err);
    if (rc)
        return rc;
    cfg.loop = s->loop;
    cfg.clk = s->clk;
    clock_on_earlier(s->clk, on_earlier, s);
    clock_start(s->clk);
    rc = loop_signals(s->loop, signals, ARRAY_SIZE(signals), on_signal, s, err);
    if (!rc)
        rc = vswitch_new(&s->sw, &cfg, err);
    return rc ? rc : control_new(&s->control, s->sw, s->loop, s->dir, err);
}

/* Away from the terminal, which may go. */
static void tell_ready(int ready)
{
    int null;

    if (ready < 0)
        return;
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3 && null >= 0; fd++)
        dup2(null, fd);
    if (null >= 0)
        close(null);
    if (write(ready, "", 1) < 0)
        return; /* nobody waits any more */
    close(ready);
}

static void tear_down(struct server *s)
{
    control_free(s->control);
    vswitch_free(s->sw);
    if (s->clk)
        clock_free(s->clk);
    loop_free(s->loop);
    pthread_mutex_destroy(&s->lock);
    rmdir(s->dir); /* unless there is something else in it */
}

int switch_serve(const char *name, int n, char **texts, int ready)
{
    struct server s = {.dir = ""};
    pthread_mutexattr_t attr;
    struct err err;
    int rc;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&s.lock, &attr);
    signal(SIGPIPE, SIG_IGN); /* a recording may go to a pipe */
    rc = set_up(&s, name, &err);
    if (!rc)
        rc = execute_texts(&s, n, texts, &err);
    if (!rc) {
        tell_ready(ready);
        rc = vswitch_stopped(s.sw) ? 0 : loop_run(s.loop, before_wait, &s, &err);
    }
    if (rc)
        fprintf(stderr, "domus: switch %s: %s\n", name, err.text);
    tear_down(&s);
    return rc ? 1 : 0;
}

int switch_start(const char *name, int n, char **texts)
{
    int fd[2], status = 0;
    char ready;
    pid_t pid;

    if (pipe2(fd, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
        fprintf(stderr, "domus: switch %s: %s\n", name, strerror(errno));
        return 1;
    }
    if (!pid) {
        close(fd[0]);
        setsid();
        return switch_serve(name, n, texts, fd[1]);
    }
    close(fd[1]);
    if (read(fd[0], &ready, 1) == 1)
        return 0;
    waitpid(pid, &status, 0); /* it has said why */
    return 1;
}
