/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a libFuzzer-style target without libFuzzer: every corpus file given on the command line,
 * then random mutations of them for --seconds N (default 2) from --seed N. The same targets link
 * with clang's -fsanitize=fuzzer for long, coverage-guided runs (meson -Dfuzzer=true).
 */
#include "base/base.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define INPUT_MAX (256 * 1024)
#define MAX_SEEDS 4096

struct corpus {
    u8 *data[MAX_SEEDS];
    size_t size[MAX_SEEDS];
    size_t n;
};

static u64 next_random(u64 *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void add_file(struct corpus *corpus, const char *path)
{
    FILE *f = fopen(path, "rb");
    u8 *buf = malloc(INPUT_MAX);

    if (f && buf && corpus->n < MAX_SEEDS) {
        corpus->size[corpus->n] = fread(buf, 1, INPUT_MAX, f);
        corpus->data[corpus->n++] = buf;
        buf = NULL;
    }
    free(buf);
    if (f)
        fclose(f);
}

static void add_path(struct corpus *corpus, const char *path)
{
    struct stat st;
    DIR *dir;

    if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
        add_file(corpus, path);
        return;
    }
    dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char sub[4096];
        snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
        if (e->d_name[0] != '.')
            add_file(corpus, sub);
    }
    if (dir)
        closedir(dir);
}

static size_t mutate(const struct corpus *corpus, u8 *buf, u64 *rnd)
{
    size_t size = 1 + next_random(rnd) % 512;
    unsigned edits = 1 + (unsigned)(next_random(rnd) % 16);

    if (corpus->n && next_random(rnd) % 8) {
        size_t pick = next_random(rnd) % corpus->n;
        size = corpus->size[pick];
        memcpy(buf, corpus->data[pick], size);
    } else {
        for (size_t i = 0; i < size; i++)
            buf[i] = (u8)next_random(rnd);
    }
    while (size && edits--) {
        size_t at = next_random(rnd) % size;
        switch (next_random(rnd) % 5) {
        case 0:
            buf[at] ^= (u8)(1u << (next_random(rnd) % 8));
            break;
        case 1:
            buf[at] = (u8)next_random(rnd);
            break;
        case 2:
            buf[at] = (u8)(next_random(rnd) % 2 ? 0xff : 0);
            break;
        case 3:
            size = at + 1;
            break;
        default:
            memmove(buf + at, buf + next_random(rnd) % size, 1);
        }
    }
    return size;
}

int main(int argc, char **argv)
{
    static struct corpus corpus;
    u8 *buf = malloc(INPUT_MAX);
    double seconds = 2;
    u64 rnd = 0x9e3779b97f4a7c15ull, runs = 0;
    time_t end;

    if (!buf)
        return 1;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--seconds") && i + 1 < argc)
            seconds = atof(argv[++i]);
        else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
            rnd = strtoull(argv[++i], NULL, 0) | 1;
        else
            add_path(&corpus, argv[i]);
    }
    for (size_t i = 0; i < corpus.n; i++)
        LLVMFuzzerTestOneInput(corpus.data[i], corpus.size[i]);
    end = time(NULL) + (time_t)seconds;
    while (time(NULL) < end) {
        for (unsigned i = 0; i < 16; i++, runs++) {
            size_t size = mutate(&corpus, buf, &rnd);
            /* An exact-size copy, so that ASan sees a read past the end. */
            u8 *exact = malloc(size ? size : 1);
            if (!exact)
                return 1;
            memcpy(exact, buf, size);
            LLVMFuzzerTestOneInput(exact, size);
            free(exact);
        }
    }
    for (size_t i = 0; i < corpus.n; i++)
        free(corpus.data[i]);
    free(buf);
    printf("%zu seeds, %llu mutations\n", corpus.n, (unsigned long long)runs);
    return 0;
}
