/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/err.h"
#include "../test.h"
#include "base/base.h"
#include "base/le.h"

#include <errno.h>

static void set_returns_the_negative_number(void)
{
    struct err err;

    CHECK_EQ(err_set(&err, ENOENT, "disk '%s': %s", "a.img", "no such file"), -ENOENT);
    CHECK(!strcmp(err.text, "disk 'a.img': no such file"));
}

static void prefixes_stack_up(void)
{
    struct err err;

    (void)err_set(&err, EINVAL, "bad");
    err_prefix(&err, "line %d", 7);
    err_prefix(&err, "file");
    CHECK(!strcmp(err.text, "file: line 7: bad"));
}

static void long_texts_are_cut_not_overrun(void)
{
    char text[2000];
    struct {
        struct err err;
        char after[8];
    } e = {.after = "1234567"};

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    (void)err_set(&e.err, EINVAL, "%s", text);
    CHECK_EQ(strlen(e.err.text), sizeof(e.err.text) - 1);
    err_prefix(&e.err, "%s", text);
    CHECK(strlen(e.err.text) < sizeof(e.err.text));
    err_prefix(&e.err, "ab");
    CHECK(strlen(e.err.text) < sizeof(e.err.text));
    CHECK(!strncmp(e.err.text, "ab: xxx", 7));
    CHECK(!strcmp(e.after, "1234567"));
}

static void bit_helpers(void)
{
    CHECK_EQ(bits(0xf0f0, 7, 4), 0xf);
    CHECK_EQ(bits(~0ull, 63, 0), ~0ull);
    CHECK_EQ(bits(1ull << 63, 63, 63), 1);
    CHECK_EQ(size_mask(1), 0xff);
    CHECK_EQ(size_mask(3), 0xffffff);
    CHECK_EQ(size_mask(8), ~0ull);
    CHECK_EQ(align_up(0, 16), 0);
    CHECK_EQ(align_up(1, 16), 16);
    CHECK_EQ(align_up(16, 16), 16);
}

static void little_endian_at_any_alignment(void)
{
    u8 buf[16] = {0};

    put_le64(buf + 1, 0x1122334455667788);
    CHECK_EQ(buf[1], 0x88);
    CHECK_EQ(buf[8], 0x11);
    CHECK_EQ(le64(buf + 1), 0x1122334455667788);
    put_le32(buf + 3, 0xdeadbeef);
    CHECK_EQ(le32(buf + 3), 0xdeadbeef);
    put_le16(buf + 7, 0xcafe);
    CHECK_EQ(le16(buf + 7), 0xcafe);
    CHECK_EQ(buf[9], 0);
}

int main(void)
{
    TEST_RUN(set_returns_the_negative_number);
    TEST_RUN(prefixes_stack_up);
    TEST_RUN(long_texts_are_cut_not_overrun);
    TEST_RUN(bit_helpers);
    TEST_RUN(little_endian_at_any_alignment);
    return test_result();
}
