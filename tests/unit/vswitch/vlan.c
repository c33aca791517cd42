/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tags in and out, on access ports and trunks; and what must not get from one VLAN to another. */
#include "vswitch/vlan.h"
#include "../test.h"
#include "frames.h"

static struct err err;

static struct vlan_port access_port(u16 vlan)
{
    return (struct vlan_port){.vlan = vlan};
}

static struct vlan_port trunk(const char *set, u16 native)
{
    struct vlan_port p = {.trunk = true, .vlan = native};

    CHECK(!vlan_parse_set(p.allowed, set, &err));
    return p;
}

static void sets(void)
{
    u64 set[64];
    char text[100];

    CHECK(!vlan_parse_set(set, "1,10-12,64,4094", &err));
    vlan_print_set(set, text, sizeof(text));
    CHECK(!strcmp(text, "1,10-12,64,4094"));
    CHECK(vlan_parse_set(set, "0", &err));
    CHECK(vlan_parse_set(set, "4095", &err));
    CHECK(vlan_parse_set(set, "5-4", &err));
    CHECK(vlan_parse_set(set, "", &err));
    CHECK(vlan_parse_set(set, "5,", &err));
    CHECK(!vlan_parse_set(set, "1-4094", &err));
    vlan_print_set(set, text, sizeof(text));
    CHECK(!strcmp(text, "1-4094"));
    CHECK(!vlan_parse_set(set, "1,3,5,7", &err));
    vlan_print_set(set, text, 4); /* what there is room for */
    CHECK(!strcmp(text, "1,3"));
}

static bool enters(const struct vlan_port *p, const struct test_frame *f, u16 vlan)
{
    struct vlan_frame out;
    u8 buf[256];

    return vlan_enter(&out, p, f->data, f->len, buf) && out.vlan == vlan;
}

static void access_ports(void)
{
    struct vlan_port p = access_port(10);
    struct test_frame plain = make_arp(1, 2), tagged = with_tag(&plain, 10),
                      priority = with_tag(&plain, 0xe000), cut = tagged;
    struct vlan_frame in;
    u8 buf[256], out[256];

    CHECK(enters(&p, &plain, 10));
    CHECK(!enters(&p, &tagged, 10));
    CHECK(enters(&p, &priority, 10));
    cut.len = 16;
    CHECK(!enters(&p, &cut, 10));
    CHECK(vlan_enter(&in, &p, priority.data, priority.len, buf));
    CHECK_EQ(vlan_leave(&p, &in, out), plain.len);
    CHECK(!memcmp(out, plain.data, plain.len));
    CHECK(vlan_carries(&p, 10) && !vlan_carries(&p, 11));
}

static void trunks(void)
{
    struct vlan_port p = trunk("10,20-30", 20), bare = trunk("10", 0);
    struct test_frame plain = make_arp(1, 2), ten = with_tag(&plain, 0x600a),
                      last = with_tag(&plain, 4095);
    struct vlan_frame in;
    u8 buf[256], out[256];

    CHECK(enters(&p, &plain, 20));
    CHECK(!enters(&bare, &plain, 0));
    CHECK(enters(&p, &ten, 10));
    CHECK(!enters(&p, &last, 4095));
    CHECK(vlan_enter(&in, &p, ten.data, ten.len, buf));
    CHECK_EQ(vlan_leave(&bare, &in, out), ten.len);
    CHECK(!memcmp(out, ten.data, ten.len)); /* with its priority */
    CHECK_EQ(vlan_leave(&(struct vlan_port){.vlan = 10}, &in, out), plain.len);
    CHECK(!memcmp(out, plain.data, plain.len));
    CHECK(vlan_enter(&in, &p, plain.data, plain.len, buf));
    CHECK_EQ(vlan_leave(&p, &in, out), plain.len);
}

/* A tag within a tag of a guest's is no way into the VLAN that it names. */
static void hopping(void)
{
    struct vlan_port guest = access_port(20), p = trunk("10,20", 20), qinq = trunk("10,20", 0);
    struct test_frame plain = make_arp(1, 2), inner = with_tag(&plain, 10),
                      outer = with_tag(&inner, 0xe000);
    struct vlan_frame in;
    u8 buf[256], out[256];

    CHECK(vlan_enter(&in, &guest, outer.data, outer.len, buf));
    CHECK_EQ(vlan_leave(&p, &in, out), 0);
    CHECK_EQ(vlan_leave(&qinq, &in, out), outer.len);
    CHECK_EQ(be16(out + 14) & 0xfff, 20);
    CHECK_EQ(vlan_leave(&guest, &in, out), inner.len);
}

int main(void)
{
    TEST_RUN(sets);
    TEST_RUN(access_ports);
    TEST_RUN(trunks);
    TEST_RUN(hopping);
    return test_result();
}
