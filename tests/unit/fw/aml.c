/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fw/aml.h"
#include "../test.h"

static void check_bytes(struct buf *b, const char *want, size_t n)
{
    CHECK(!b->failed);
    CHECK_EQ(b->len, n);
    CHECK(b->len == n && !memcmp(b->data, want, n));
    buf_dispose(b);
}

static void test_integers(void)
{
    struct buf b = {0};

    aml_int(&b, 0);
    aml_int(&b, 1);
    aml_int(&b, 2);
    aml_int(&b, 0xff);
    aml_int(&b, 0x100);
    aml_int(&b, 0x10000);
    aml_int(&b, 0x100000000);
    check_bytes(&b,
                "\x00\x01\x0a\x02\x0a\xff\x0b\x00\x01\x0c\x00\x00\x01\x00"
                "\x0e\x00\x00\x00\x00\x01\x00\x00\x00",
                23);
}

static void test_names(void)
{
    struct buf b = {0};
    size_t scope = aml_scope(&b, "\\_SB_.PCI0");

    aml_name_eisaid(&b, "_HID", "PNP0A03");
    aml_end(&b, scope);
    /* EisaId ("PNP0A03") is known to be 030AD041h. */
    check_bytes(&b, "\x10\x15\\\x2e_SB_PCI0\x08_HID\x0c\x41\xd0\x0a\x03", 22);
}

/* The length counts its own bytes: check on both sides of where it grows. */
static void test_package_length(void)
{
    static const struct {
        size_t content;
        u8 want[3], n;
    } cases[] = {
        {0, {0x05}, 1},
        {58, {0x3f}, 1},
        {59, {0x41, 0x04}, 2},
        {4089, {0x4f, 0xff}, 2},
        {4090, {0x81, 0x00, 0x01}, 3},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct buf b = {0};
        size_t dev = aml_device(&b, "DEV0");
        buf_zero(&b, cases[i].content);
        aml_end(&b, dev);
        CHECK_EQ(b.len, 2 + cases[i].n + 4 + cases[i].content);
        CHECK(!memcmp(b.data, "\x5b\x82", 2));
        CHECK(!memcmp(b.data + 2, cases[i].want, cases[i].n));
        CHECK(!memcmp(b.data + 2 + cases[i].n, "DEV0", 4));
        buf_dispose(&b);
    }
}

static void test_resources(void)
{
    struct buf b = {0}, r = {0};

    res_io(&r, 0x3f8, 8);
    res_irq(&r, 4);
    aml_crs(&b, &r);
    check_bytes(&b,
                "\x08_CRS\x11\x10\x0a\x0d"
                "\x47\x01\xf8\x03\xf8\x03\x01\x08"
                "\x22\x10\x00"
                "\x79\x00",
                22);
}

static void test_overflow_is_remembered(void)
{
    struct buf b = {0};
    size_t dev = aml_device(&b, "DEV0");

    for (unsigned i = 0; i < 20; i++)
        buf_zero(&b, 4096);
    CHECK(b.failed);
    CHECK(b.len <= BUF_MAX);
    aml_end(&b, dev);
    buf_put32(&b, 70000, 0);
    buf_checksum(&b, 0, 0, 80000);
    CHECK(b.failed);
    buf_dispose(&b);
}

int main(void)
{
    TEST_RUN(test_integers);
    TEST_RUN(test_names);
    TEST_RUN(test_package_length);
    TEST_RUN(test_resources);
    TEST_RUN(test_overflow_is_remembered);
    return test_result();
}
