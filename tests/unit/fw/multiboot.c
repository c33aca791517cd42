/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "elfimage.h"
#include "x86/regs.h"

#define FLAT_AT   0x40 /* the header's offset in a flat file */
#define FLAT_SIZE 0x800
#define FLAT_LOAD 0x4000u /* in base memory, as a real-mode kernel */

static void make_flat(u8 data[FLAT_SIZE], u32 load_end, u32 bss_end, u32 entry)
{
    const u32 word[] = {0x1badb002,
                        0x10003,
                        -(0x1badb002u + 0x10003u),
                        FLAT_LOAD + FLAT_AT - 0x20,
                        FLAT_LOAD,
                        load_end,
                        bss_end,
                        entry};

    memset(data, 0xf1, FLAT_SIZE);
    memcpy(data + FLAT_AT, word, sizeof(word));
}

static u64 ram_in_map(struct guest *g, gpa_t info)
{
    gpa_t at = guest_u32(g, info + 48), end = at + guest_u32(g, info + 44);
    u64 ram = 0;

    for (; at < end; at += guest_u32(g, at) + 4) {
        CHECK_EQ(guest_u32(g, at), 20);
        if (guest_u32(g, at + 20) == 1)
            ram += guest_u64(g, at + 12);
    }
    CHECK_EQ(at, end);
    return ram;
}

static void test_elf(void)
{
    struct boot_options opt = {.append = "smp 2"};
    struct elf_image img;

    for (unsigned bits = 32; bits <= 64; bits += 32) {
        struct guest g = guest_new(32 * MiB);
        gpa_t info;
        make_elf(&img, bits == 64, bits == 64 ? 0xffffffff80000000 : 0xc0000000);
        add_multiboot(&img, 3);
        boot_elf(&g, &opt, &img);
        CHECK_EQ(g.state.protocol, BOOT_MULTIBOOT);
        CHECK_EQ(g.state.mode, 32);
        CHECK_EQ(g.state.cs, 0x08); /* xv6 leaves them as they are */
        CHECK_EQ(g.state.ds, 0x10);
        CHECK_EQ(guest_u64(&g, g.state.gdt_base + 0x08), 0x00cf9b000000ffff);
        CHECK_EQ(guest_u64(&g, g.state.gdt_base + 0x10), 0x00cf93000000ffff);
        CHECK_EQ(g.state.rip, TEXT_PADDR + ENTRY);
        CHECK_EQ(g.state.gpr[RAX], 0x2badb002);
        info = g.state.gpr[RBX];
        CHECK(info >= 0x10000); /* kernels overwrite what is below before they look */
        CHECK(guest_u32(&g, info + 16) >= 0x10000 && guest_u32(&g, info + 48) >= 0x10000);
        CHECK_EQ(guest_u32(&g, info), 0x24d);
        CHECK_EQ(guest_u32(&g, info + 4), 639);
        CHECK_EQ(guest_u32(&g, info + 8), 31 * 1024);
        CHECK(guest_has_text(&g, guest_u32(&g, info + 16), "test-kernel smp 2"));
        CHECK_EQ(guest_u32(&g, info + 20), 0);
        CHECK_EQ(ram_in_map(&g, info), 32 * MiB - (MiB - 0x9fc00));
        CHECK(guest_has_text(&g, guest_u32(&g, info + 64), "Domus"));
        CHECK(guest_has(&g, DATA_PADDR, img.data + DATA_AT, DATA_LEN));
        guest_free(&g);
    }
}

/* The entry point may be a physical address already. */
static void test_physical_entry(void)
{
    struct guest g = guest_new(32 * MiB);
    struct boot_options opt = {.append = NULL};
    struct elf_image img;

    make_elf(&img, false, 0xc0000000);
    add_multiboot(&img, 0);
    put_le32(img.data + 24, DATA_PADDR + 8);
    boot_elf(&g, &opt, &img);
    CHECK_EQ(g.state.rip, DATA_PADDR + 8);
    CHECK(guest_has_text(&g, guest_u32(&g, g.state.gpr[RBX] + 16), "test-kernel"));
    put_le32(img.data + 24, 0x300000);
    guest_refuses(&g, &opt, img.data, sizeof(img.data), "entry point 0x300000");
    guest_free(&g);
}

static void test_flat(void)
{
    struct guest g = guest_new(4 * MiB);
    struct boot_options opt = {.append = NULL};
    u8 data[FLAT_SIZE];

    make_flat(data, 0, 0, FLAT_LOAD);
    CHECK_EQ(guest_boot(&g, &opt, data, sizeof(data)), 0);
    CHECK_EQ(g.state.rip, FLAT_LOAD);
    CHECK(guest_has(&g, FLAT_LOAD, data + 0x20, FLAT_SIZE - 0x20));
    CHECK(g.state.gpr[RBX] < FLAT_LOAD || g.state.gpr[RBX] >= FLAT_LOAD + FLAT_SIZE);
    CHECK(!mem_fill(g.mem, FLAT_LOAD, 0xff, 0x2000));
    make_flat(data, FLAT_LOAD + 0x100, FLAT_LOAD + 0x1000, FLAT_LOAD + 0xfff);
    CHECK_EQ(guest_boot(&g, &opt, data, sizeof(data)), 0);
    CHECK_EQ(*mem_ptr(g.mem, FLAT_LOAD + 0xff), 0xf1);
    CHECK_EQ(*mem_ptr(g.mem, FLAT_LOAD + 0x100), 0);
    CHECK_EQ(*mem_ptr(g.mem, FLAT_LOAD + 0xfff), 0);
    CHECK_EQ(*mem_ptr(g.mem, FLAT_LOAD + 0x1000), 0xff);
    guest_free(&g);
}

static void refuses_flat(u32 load_end, u32 bss_end, u32 entry, const char *text)
{
    struct guest g = guest_new(4 * MiB);
    struct boot_options opt = {.append = NULL};
    u8 data[FLAT_SIZE];

    make_flat(data, load_end, bss_end, entry);
    guest_refuses(&g, &opt, data, sizeof(data), text);
    guest_free(&g);
}

static void test_refuses_bad_addresses(void)
{
    struct guest g = guest_new(4 * MiB);
    struct boot_options opt = {.append = NULL};
    u8 data[FLAT_SIZE];

    refuses_flat(FLAT_LOAD - 1, 0, FLAT_LOAD, "cut off");
    refuses_flat(FLAT_LOAD + FLAT_SIZE, 0, FLAT_LOAD, "cut off");
    refuses_flat(FLAT_LOAD + 0x100, FLAT_LOAD + 0xff, FLAT_LOAD, "bss end");
    refuses_flat(FLAT_LOAD + 0x100, FLAT_LOAD - 1, FLAT_LOAD, "bss end");
    refuses_flat(FLAT_LOAD + 0x100, 0xa0000, FLAT_LOAD, "no memory to use");
    refuses_flat(FLAT_LOAD + 0x100, 0, FLAT_LOAD + 0x100, "entry point");
    refuses_flat(FLAT_LOAD + 0x100, 0, FLAT_LOAD - 1, "entry point");
    make_flat(data, 0, 0, FLAT_LOAD);
    put_le32(data + FLAT_AT + 12, FLAT_LOAD - 1); /* the header before the load address */
    guest_refuses(&g, &opt, data, sizeof(data), "does not fit");
    put_le32(data + FLAT_AT + 12, FLAT_LOAD + FLAT_AT + 1); /* before the file's start */
    guest_refuses(&g, &opt, data, sizeof(data), "does not fit");
    make_flat(data, 0, 0, FLAT_LOAD);
    put_le32(data + FLAT_AT + 4, 3); /* no addresses given */
    put_le32(data + FLAT_AT + 8, -(0x1badb002u + 3));
    guest_refuses(&g, &opt, data, sizeof(data), "gives no addresses");
    guest_free(&g);
}

static void test_search(void)
{
    struct guest g = guest_new(4 * MiB);
    struct boot_options opt = {.append = NULL};
    u8 *data = calloc(1, 16384), header[FLAT_SIZE];

    make_flat(header, 0, 0, 0x100000);
    put_le32(header + FLAT_AT + 12, 0x100000 + 8192 - 32);
    put_le32(header + FLAT_AT + 16, 0x100000);
    memcpy(data + 8192 - 32, header + FLAT_AT, 32); /* the last place where it counts */
    put_le32(data + 64, 0x1badb002);                /* the magic alone is not a header */
    CHECK_EQ(guest_boot(&g, &opt, data, 16384), 0);
    memset(data, 0, 16384);
    memcpy(data + 8192 - 28, header + FLAT_AT, 32);
    guest_refuses(&g, &opt, data, 16384, "not a kernel");
    memset(data, 0, 16384);
    memcpy(data + 4098, header + FLAT_AT, 32); /* not on a 4-byte boundary */
    guest_refuses(&g, &opt, data, 16384, "not a kernel");
    guest_free(&g);
    free(data);
}

static void test_against_pvh(void)
{
    struct guest g = guest_new(32 * MiB);
    struct boot_options opt = {.append = NULL};
    struct elf_image img;

    make_elf(&img, true, 0);
    add_pvh_note(&img, TEXT_PADDR + 4, 4);
    add_multiboot(&img, 7);
    boot_elf(&g, &opt, &img);
    CHECK_EQ(g.state.protocol, BOOT_MULTIBOOT);
    add_multiboot(&img, 8); /* a demand that is not known */
    boot_elf(&g, &opt, &img);
    CHECK_EQ(g.state.protocol, BOOT_PVH);
    put_phdr(&img, 2, 4, NOTE_AT, 0, 0, 0, 0);
    guest_refuses(&g, &opt, img.data, sizeof(img.data), "features 0x8");
    put_le32(img.data + MB_AT + 8, 0); /* a wrong checksum */
    guest_refuses(&g, &opt, img.data, sizeof(img.data), "neither");
    guest_free(&g);
}

/* A module's entry in the list: where it is, and its string. */
static void check_module(struct guest *g, unsigned i, u8 value, u32 size, const char *text)
{
    gpa_t at = guest_u32(g, g->state.gpr[RBX] + 24) + i * 16, start = guest_u32(g, at);

    CHECK_EQ(start & 0xfff, 0);
    CHECK(start >= DATA_PADDR + DATA_MEM);
    CHECK_EQ(guest_u32(g, at + 4) - start, size);
    CHECK_EQ(*mem_ptr(g->mem, start), value);
    CHECK_EQ(*mem_ptr(g->mem, start + size - 1), value);
    CHECK(guest_has_text(g, guest_u32(g, at + 8), text));
}

static void test_modules(void)
{
    struct guest g = guest_new(32 * MiB);
    char a[64], b[64], list[200], text[100];
    int fd = guest_file(0xaa, 4097, a), fd2 = guest_file(0xbb, 1, b);
    struct boot_module module = {b, NULL};
    struct boot_options opt = {.initrd = list, .modules = &module, .nmodules = 1};
    struct elf_image img;

    make_elf(&img, false, 0);
    add_multiboot(&img, 3);
    snprintf(list, sizeof(list), "%s one two,%s x=1,,2", a, b);
    boot_elf(&g, &opt, &img);
    CHECK_EQ(guest_u32(&g, g.state.gpr[RBX] + 20), 3);
    snprintf(text, sizeof(text), "%s one two", a);
    check_module(&g, 0, 0xaa, 4097, text);
    snprintf(text, sizeof(text), "%s x=1,2", b);
    check_module(&g, 1, 0xbb, 1, text);
    check_module(&g, 2, 0xbb, 1, b);
    snprintf(list, sizeof(list), "%s,", a);
    CHECK_EQ(-guest_boot(&g, &opt, img.data, sizeof(img.data)), EINVAL);
    CHECK(strstr(g.err.text, "without a file name"));
    snprintf(list, sizeof(list), "%s,/nonexistent/mod", a);
    CHECK_EQ(-guest_boot(&g, &opt, img.data, sizeof(img.data)), ENOENT);
    guest_free(&g);
    close(fd);
    close(fd2);
}

static void test_module_limits(void)
{
    struct guest g = guest_new(4 * MiB);
    struct boot_module many[65];
    char a[64], big[64];
    int fd = guest_file(1, 1, a), fd2 = guest_file(2, 3 * MiB, big);
    struct boot_options opt = {.modules = many, .nmodules = 64};
    struct elf_image img;

    make_elf(&img, false, 0);
    add_multiboot(&img, 3);
    for (unsigned i = 0; i < 65; i++)
        many[i] = (struct boot_module){a, NULL};
    boot_elf(&g, &opt, &img);
    opt.nmodules = 65;
    CHECK_EQ(-guest_boot(&g, &opt, img.data, sizeof(img.data)), E2BIG);
    opt.nmodules = 0;
    opt.initrd = big;
    CHECK_EQ(-guest_boot(&g, &opt, img.data, sizeof(img.data)), ENOMEM);
    CHECK(strstr(g.err.text, big) && strstr(g.err.text, "does not fit"));
    guest_free(&g);
    close(fd);
    close(fd2);
}

int main(void)
{
    TEST_RUN(test_elf);
    TEST_RUN(test_physical_entry);
    TEST_RUN(test_flat);
    TEST_RUN(test_refuses_bad_addresses);
    TEST_RUN(test_search);
    TEST_RUN(test_against_pvh);
    TEST_RUN(test_modules);
    TEST_RUN(test_module_limits);
    return test_result();
}
