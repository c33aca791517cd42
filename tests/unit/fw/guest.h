/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guest memory for the tests of fw/, and what a guest reads from it. */
#pragma once
#include "../test.h"
#include "base/le.h"
#include "fw/boot.h"
#include "fw/e820.h"
#include "testplatform.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

struct guest {
    struct mem *mem;
    struct boot_state state;
    struct err err;
};

static inline struct guest guest_new(u64 size)
{
    struct guest g = {0};

    if (mem_new(&g.mem, size, NULL, &g.err)) {
        fprintf(stderr, "%s\n", g.err.text);
        exit(99);
    }
    return g;
}

static inline void guest_free(struct guest *g)
{
    mem_free(g->mem);
}

static inline u32 guest_u32(struct guest *g, gpa_t at)
{
    u8 v[4] = {0};

    CHECK(!mem_read(g->mem, at, v, sizeof(v)));
    return le32(v);
}

static inline u64 guest_u64(struct guest *g, gpa_t at)
{
    return guest_u32(g, at) | (u64)guest_u32(g, at + 4) << 32;
}

static inline bool guest_has(struct guest *g, gpa_t at, const void *want, size_t n)
{
    return mem_is_ram(g->mem, at, n) && !memcmp(mem_ptr(g->mem, at), want, n);
}

static inline bool guest_has_text(struct guest *g, gpa_t at, const char *want)
{
    return guest_has(g, at, want, strlen(want) + 1);
}

/* Boots `data`; the message is in g->err. */
static inline int guest_boot(struct guest *g, const struct boot_options *opt, const void *data,
                             size_t size)
{
    struct boot_image image = {"test-kernel", data, size};
    struct fw_platform plat = test_platform(2);

    g->err.text[0] = 0;
    return boot_load_image(&g->state, g->mem, opt, &image, &plat, &g->err);
}

/* Expects a refusal whose message names the file and contains `text`. */
static inline void guest_refuses(struct guest *g, const struct boot_options *opt, const void *data,
                                 size_t size, const char *text)
{
    int rc = guest_boot(g, opt, data, size);

    CHECK(rc < 0);
    CHECK(strstr(g->err.text, "test-kernel") != NULL);
    if (!strstr(g->err.text, text))
        fprintf(stderr, "message: \"%s\", want: \"%s\"\n", g->err.text, text);
    CHECK(strstr(g->err.text, text) != NULL);
}

/* A file with n bytes of this value, to be opened by the path. Returns its descriptor. */
static inline int guest_file(u8 value, size_t n, char path[64])
{
    int fd = memfd_create("module", 0);
    u8 *data = malloc(n);

    if (fd < 0 || !data)
        exit(99);
    memset(data, value, n);
    if (write(fd, data, n) != (ssize_t)n)
        exit(99);
    free(data);
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}
