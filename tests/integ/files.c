/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs inside the guest: `files FOLDER SEED STEPS` does random operations on files there and keeps
 * their contents in memory, as fsx does; then the calls that a file system gets wrong most easily.
 * One line for each check that fails, "FAIL …"; "FILES n steps" at the end.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILES   4
#define SIZE    (256 * 1024)
#define ENTRIES 500

static unsigned failures;
static uint64_t state;

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            printf("FAIL files: line %d: %s (%s)\n", __LINE__, #cond, strerror(errno));            \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

struct model {
    char name[32];
    int fd;
    size_t len;
    unsigned char bytes[SIZE];
};

static struct model model[FILES];
static unsigned char buf[SIZE];

static uint32_t random_below(uint32_t n)
{
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(state >> 33) % n;
}

static void fill(unsigned char *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (unsigned char)random_below(256);
}

static void do_write(struct model *m)
{
    size_t at = random_below(SIZE),
           n = random_below((uint32_t)(SIZE - at)) / (1 + random_below(20));

    fill(buf, n);
    CHECK(pwrite(m->fd, buf, n, (off_t)at) == (ssize_t)n);
    if (!n)
        return;
    if (at > m->len)
        memset(m->bytes + m->len, 0, at - m->len);
    memcpy(m->bytes + at, buf, n);
    if (at + n > m->len)
        m->len = at + n;
}

static void do_read(struct model *m)
{
    size_t at = random_below(SIZE), n = random_below((uint32_t)(SIZE - at));
    size_t want = at >= m->len ? 0 : n < m->len - at ? n : m->len - at;

    CHECK(pread(m->fd, buf, n, (off_t)at) == (ssize_t)want);
    CHECK(!memcmp(buf, m->bytes + at, want));
}

static void do_truncate(struct model *m)
{
    size_t len = random_below(SIZE);

    CHECK(!ftruncate(m->fd, (off_t)len));
    if (len > m->len)
        memset(m->bytes + m->len, 0, len - m->len);
    m->len = len;
}

static void do_append(struct model *m)
{
    int fd = open(m->name, O_WRONLY | O_APPEND);
    size_t n = random_below(5000);

    if (m->len + n > SIZE)
        n = SIZE - m->len;
    fill(buf, n);
    CHECK(fd >= 0 && write(fd, buf, n) == (ssize_t)n);
    memcpy(m->bytes + m->len, buf, n);
    m->len += n;
    close(fd);
}

static void do_reopen(struct model *m)
{
    CHECK(!fsync(m->fd));
    CHECK(!close(m->fd));
    m->fd = open(m->name, O_RDWR);
    CHECK(m->fd >= 0);
}

static void do_rename(struct model *m, unsigned step)
{
    char name[32];

    snprintf(name, sizeof(name), "renamed-%u", step);
    CHECK(!rename(m->name, name));
    CHECK(access(m->name, F_OK) && errno == ENOENT);
    strcpy(m->name, name);
}

static void do_seek(struct model *m)
{
    struct stat st;

    CHECK(lseek(m->fd, 0, SEEK_END) == (off_t)m->len);
    CHECK(!fstat(m->fd, &st) && st.st_size == (off_t)m->len);
    CHECK(!stat(m->name, &st) && st.st_size == (off_t)m->len);
}

static void random_step(struct model *m, unsigned step)
{
    uint32_t what = random_below(20);

    if (what < 6)
        do_write(m);
    else if (what < 12)
        do_read(m);
    else if (what < 14)
        do_truncate(m);
    else if (what < 16)
        do_append(m);
    else if (what < 18)
        do_reopen(m);
    else if (what < 19)
        do_rename(m, step);
    else
        do_seek(m);
}

static void random_steps(unsigned steps)
{
    for (unsigned n = 0; n < FILES; n++) {
        snprintf(model[n].name, sizeof(model[n].name), "file-%u", n);
        model[n].fd = open(model[n].name, O_RDWR | O_CREAT | O_EXCL, 0644);
        CHECK(model[n].fd >= 0);
    }
    for (unsigned step = 0; step < steps && failures < 10; step++)
        random_step(&model[random_below(FILES)], step);
    for (unsigned n = 0; n < FILES; n++)
        CHECK(!close(model[n].fd) && !unlink(model[n].name));
}

static unsigned count_entries(const char *path)
{
    DIR *d = opendir(path);
    unsigned n = 0;

    CHECK(d);
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static const char *entry_name(unsigned n)
{
    static char name[64];

    snprintf(name, sizeof(name), "large/a-rather-long-name-of-a-file-%u", n);
    return name;
}

/* Enough entries for many messages, gone through from the middle as well. */
static void large_folder(void)
{
    char expected[256] = "";
    struct dirent *e;
    long where;
    DIR *d;

    CHECK(!mkdir("large", 0755));
    for (unsigned n = 0; n < ENTRIES; n++) {
        int fd = open(entry_name(n), O_CREAT | O_WRONLY, 0600);
        CHECK(fd >= 0 && !close(fd));
    }
    CHECK(count_entries("large") == ENTRIES + 2);
    d = opendir("large");
    for (unsigned n = 0; d && n < ENTRIES / 2; n++)
        CHECK(readdir(d));
    where = telldir(d);
    e = readdir(d);
    if (e)
        strcpy(expected, e->d_name);
    rewinddir(d);
    CHECK(readdir(d));
    seekdir(d, where);
    e = readdir(d);
    CHECK(e && !strcmp(e->d_name, expected));
    closedir(d);
    CHECK(rmdir("large") && errno == ENOTEMPTY);
    for (unsigned n = 0; n < ENTRIES; n++)
        CHECK(!unlink(entry_name(n)));
    CHECK(!rmdir("large"));
}

static void names(void)
{
    struct stat a, b;
    char text[64] = "";
    int fd;

    CHECK(!mkdir("d", 0700) && !mkdir("d/e", 0755));
    fd = open("d/e/f", O_CREAT | O_RDWR | O_TRUNC, 0640);
    CHECK(fd >= 0 && write(fd, "text", 4) == 4);
    CHECK(!rename("d", "D")); /* what is open in it stays good */
    CHECK(write(fd, "more", 4) == 4 && !fstat(fd, &a) && a.st_size == 8);
    CHECK(!stat("D/e/f", &b) && a.st_ino == b.st_ino && (b.st_mode & 07777) == 0640);
    CHECK(!link("D/e/f", "hard") && !stat("hard", &b) && b.st_ino == a.st_ino && b.st_nlink == 2);
    CHECK(!symlink("D/e/f", "soft") && readlink("soft", text, sizeof(text)) == 5);
    CHECK(!lstat("soft", &b) && S_ISLNK(b.st_mode) && !stat("soft", &b) && b.st_ino == a.st_ino);
    CHECK(!unlink("D/e/f") && !unlink("hard")); /* unlinked and still open */
    CHECK(pread(fd, text, 8, 0) == 8 && !memcmp(text, "textmore", 8));
    CHECK(!fstat(fd, &b) && b.st_size == 8 && !close(fd));
    CHECK(stat("soft", &b) && errno == ENOENT && !unlink("soft"));
    CHECK(mkdir("D", 0755) && errno == EEXIST);
    CHECK(open("D/x/y", O_RDONLY) < 0 && errno == ENOENT);
    CHECK(!rmdir("D/e") && !rmdir("D"));
    CHECK(!mkfifo("pipe", 0600) && !stat("pipe", &a) && S_ISFIFO(a.st_mode) && !unlink("pipe"));
}

static void attributes(void)
{
    struct timespec t[2] = {{1000000000, 5000}, {1100000000, 7000}};
    struct statvfs fs;
    struct stat st;
    int fd = open("attr", O_CREAT | O_RDWR, 0666);

    CHECK(fd >= 0);
    CHECK(!futimens(fd, t) && !fstat(fd, &st));
    CHECK(st.st_atim.tv_sec == 1000000000 && st.st_mtim.tv_sec == 1100000000);
    CHECK(!chmod("attr", 0604) && !stat("attr", &st) && (st.st_mode & 07777) == 0604);
    CHECK(!statvfs(".", &fs) && fs.f_bsize && fs.f_blocks);
    CHECK(!fdatasync(fd) && !close(fd) && !unlink("attr"));
}

/* What another process finds; bits of what is wrong. */
static int other_locks(void)
{
    struct flock l = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 15, .l_len = 1};
    int fd = open("locked", O_RDWR), bad = 0;

    if (fcntl(fd, F_SETLK, &l) == 0 || (errno != EAGAIN && errno != EACCES))
        bad |= 1;
    if (fcntl(fd, F_GETLK, &l) || l.l_type != F_WRLCK || l.l_start != 10)
        bad |= 2;
    l = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 20, .l_len = 5};
    if (fcntl(fd, F_SETLK, &l))
        bad |= 4;
    return bad;
}

static void locks(void)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10};
    int fd = open("locked", O_CREAT | O_RDWR, 0600), status = -1;
    pid_t child;

    CHECK(!fcntl(fd, F_SETLK, &l));
    child = fork();
    if (!child)
        _exit(other_locks());
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && !WEXITSTATUS(status));
    l.l_type = F_UNLCK;
    CHECK(!fcntl(fd, F_SETLK, &l) && !close(fd) && !unlink("locked"));
}

static void mapped(void)
{
    int fd = open("map", O_CREAT | O_RDWR, 0600);
    unsigned char *p;

    fill(buf, 10000);
    CHECK(write(fd, buf, 10000) == 10000);
    p = mmap(NULL, 10000, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(p != MAP_FAILED && !memcmp(p, buf, 10000));
    close(fd);
    unlink("map");
}

int main(int argc, char **argv)
{
    if (argc != 4 || chdir(argv[1])) {
        printf("FAIL files: %s\n", argc == 4 ? strerror(errno) : "FOLDER SEED STEPS");
        return 1;
    }
    umask(0);
    state = strtoull(argv[2], NULL, 0);
    random_steps((unsigned)atoi(argv[3]));
    large_folder();
    names();
    attributes();
    locks();
    mapped();
    CHECK(count_entries(".") == 2);
    printf("FILES %s steps\n", argv[3]);
    return failures != 0;
}
