/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/vsock_config.h"
#include "../test.h"

static bool parse(struct vsock_config *c, const char *text)
{
    struct err err = {""};
    int rc = vsock_parse(c, text, &err);

    CHECK_EQ(rc == 0, !err.text[0]);
    return rc == 0;
}

static void good(void)
{
    struct vsock_config c;

    CHECK(parse(&c, "cid=3,path=/run/s"));
    CHECK(c.cid == 3 && !strcmp(c.path, "/run/s"));
    CHECK(parse(&c, "path=a,,b,cid=4294967294"));
    CHECK(c.cid == 0xfffffffe && !strcmp(c.path, "a,b"));
}

static void wrong(void)
{
    static const char *const text[] = {
        "",     "cid=3",         "path=s",        "cid=2,path=s",        "cid=4294967295,path=s",
        "cid=", "cid=3,path=",   "cid=3x,path=s", "cid=3,path=s,port=1", "cid=3,path=s,",
        ",",    "cid=-1,path=s", "cid",           "cid=3,,path=s,path=s"};
    struct vsock_config c;
    char longest[200] = "cid=3,path=";

    for (unsigned n = 0; n < ARRAY_SIZE(text); n++)
        CHECK(!parse(&c, text[n]));
    memset(longest + 11, 'p', VIRTIO_VSOCK_PATH_MAX);
    CHECK(parse(&c, longest));
    longest[11 + VIRTIO_VSOCK_PATH_MAX] = 'p';
    CHECK(!parse(&c, longest));
}

int main(void)
{
    TEST_RUN(good);
    TEST_RUN(wrong);
    return test_result();
}
