/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ELF files and the PVH protocol. */
#include "elfimage.h"
#include "x86/regs.h"

static void check_loaded(struct guest *g, const struct elf_image *img)
{
    static const u8 zeros[DATA_MEM - DATA_LEN];

    CHECK(guest_has(g, TEXT_PADDR, img->data + TEXT_AT, TEXT_LEN));
    CHECK(guest_has(g, DATA_PADDR, img->data + DATA_AT, DATA_LEN));
    CHECK(guest_has(g, DATA_PADDR + DATA_LEN, zeros, sizeof(zeros)));
}

static void check_start_info(struct guest *g, const char *cmdline)
{
    gpa_t info = g->state.gpr[RBX], memmap = guest_u64(g, info + 40);
    u64 ram = 0;

    CHECK_EQ(guest_u32(g, info), 0x336ec578);
    CHECK_EQ(guest_u32(g, info + 4), 1);
    CHECK_EQ(guest_u32(g, info + 8), 0);
    CHECK(guest_has_text(g, guest_u64(g, info + 24), cmdline));
    CHECK(guest_has(g, guest_u64(g, info + 32), "RSD PTR ", 8));
    for (u32 i = 0; i < guest_u32(g, info + 48); i++)
        if (guest_u32(g, memmap + i * 24 + 16) == 1)
            ram += guest_u64(g, memmap + i * 24 + 8);
    CHECK_EQ(ram, g->mem->size - (MiB - 0x9fc00));
}

static void test_boot(void)
{
    struct boot_options opt = {.append = "root=/dev/vda"};
    struct elf_image img;

    for (unsigned bits = 32; bits <= 64; bits += 32) {
        struct guest g = guest_new(16 * MiB);
        make_elf(&img, bits == 64, bits == 64 ? 0xffffffff80000000 : 0xc0000000);
        add_pvh_note(&img, TEXT_PADDR + 0x80, bits / 8);
        CHECK(!mem_fill(g.mem, DATA_PADDR, 0xff, DATA_MEM)); /* as after a reboot */
        boot_elf(&g, &opt, &img);
        CHECK_EQ(g.state.protocol, BOOT_PVH);
        CHECK_EQ(g.state.mode, 32);
        CHECK_EQ(g.state.rip, TEXT_PADDR + 0x80);
        CHECK_EQ(g.state.tr, 0x18);
        CHECK_EQ(guest_u64(&g, g.state.gdt_base + 0x18), 0x00008b0000000067);
        check_loaded(&g, &img);
        check_start_info(&g, "root=/dev/vda");
        CHECK_EQ(guest_u32(&g, g.state.gpr[RBX] + 12), 0);
        guest_free(&g);
    }
}

static void test_modules(void)
{
    struct guest g = guest_new(16 * MiB);
    char initrd[64], other[64], text[80];
    int fd = guest_file(0x11, 5000, initrd), fd2 = guest_file(0x22, 10, other);
    struct boot_module module = {other, "arg"};
    struct boot_options opt = {.initrd = initrd, .modules = &module, .nmodules = 1};
    struct elf_image img;
    gpa_t list;

    make_elf(&img, true, 0);
    add_pvh_note(&img, TEXT_PADDR, 8);
    boot_elf(&g, &opt, &img);
    check_start_info(&g, "");
    CHECK_EQ(guest_u32(&g, g.state.gpr[RBX] + 12), 2);
    list = guest_u64(&g, g.state.gpr[RBX] + 16);
    CHECK_EQ(guest_u64(&g, list), DATA_PADDR + DATA_MEM); /* page-aligned already */
    CHECK_EQ(guest_u64(&g, list + 8), 5000);
    CHECK(guest_has_text(&g, guest_u64(&g, list + 16), initrd));
    CHECK_EQ(*mem_ptr(g.mem, guest_u64(&g, list) + 4999), 0x11);
    CHECK_EQ(guest_u64(&g, list + 32), DATA_PADDR + DATA_MEM + 0x2000);
    CHECK_EQ(guest_u64(&g, list + 40), 10);
    snprintf(text, sizeof(text), "%s arg", other);
    CHECK(guest_has_text(&g, guest_u64(&g, list + 48), text));
    guest_free(&g);
    close(fd);
    close(fd2);
}

static void refuses(const struct elf_image *img, const char *text)
{
    struct guest g = guest_new(16 * MiB);
    struct boot_options opt = {.append = NULL};

    guest_refuses(&g, &opt, img->data, sizeof(img->data), text);
    guest_free(&g);
}

static void test_refuses_bad_elf(void)
{
    struct elf_image img;

    make_elf(&img, true, 0);
    refuses(&img, "neither a Multiboot 1 header nor a PVH entry point");
    put_le16(img.data + 18, 183);
    refuses(&img, "another processor");
    make_elf(&img, true, 0);
    put_le16(img.data + 16, 1);
    refuses(&img, "not an executable");
    make_elf(&img, true, 0);
    img.data[5] = 2;
    refuses(&img, "little-endian");
    make_elf(&img, true, 0);
    put_le64(img.data + 32, UINT64_MAX - 8);
    refuses(&img, "program headers are cut off");
    make_elf(&img, true, 0);
    put_le16(img.data + 56, 0xffff);
    refuses(&img, "program headers");
    make_elf(&img, true, 0);
    put_le16(img.data + 54, 8);
    refuses(&img, "program headers");
    make_elf(&img, false, 0);
    put_le16(img.data + 44, 0);
    refuses(&img, "no segments");
}

static void refuses_segment(u64 offset, u64 paddr, u64 filesz, u64 memsz, const char *text)
{
    struct elf_image img;

    make_elf(&img, true, 0);
    add_pvh_note(&img, TEXT_PADDR, 4);
    put_phdr(&img, 1, 1, offset, 0, paddr, filesz, memsz);
    refuses(&img, text);
}

static void test_refuses_bad_segments(void)
{
    refuses_segment(DATA_AT, DATA_PADDR, DATA_LEN + 1, 0x1000, "past the end");
    refuses_segment(UINT64_MAX, DATA_PADDR, 1, 0x1000, "past the end");
    refuses_segment(DATA_AT, DATA_PADDR, DATA_LEN, DATA_LEN - 1, "impossible size");
    refuses_segment(DATA_AT, UINT64_MAX - 10, 0, 20, "impossible size");
    refuses_segment(DATA_AT, 16 * MiB - 1, DATA_LEN, 0x1000, "no memory to use");
    refuses_segment(DATA_AT, 0xf0000, DATA_LEN, 0x1000, "no memory to use");
    refuses_segment(DATA_AT, TEXT_PADDR + 0x5ff, DATA_LEN, 0x1000, "overlaps");
}

static void test_bad_notes(void)
{
    struct elf_image img;

    make_elf(&img, true, 0);
    add_pvh_note(&img, TEXT_PADDR + TEXT_LEN, 4); /* outside what is loaded */
    refuses(&img, "neither");
    add_pvh_note(&img, TEXT_PADDR | 1ull << 32, 8);
    refuses(&img, "neither");
    add_pvh_note(&img, TEXT_PADDR, 2);
    refuses(&img, "neither");
    add_pvh_note(&img, TEXT_PADDR, 4);
    put_le32(img.data + NOTE_AT, UINT32_MAX); /* the first note's name never ends */
    refuses(&img, "neither");
    add_pvh_note(&img, TEXT_PADDR, 4);
    put_le32(img.data + NOTE_AT + 4, UINT32_MAX - 3);
    refuses(&img, "neither");
    add_pvh_note(&img, TEXT_PADDR, 4);
    put_phdr(&img, 2, 4, NOTE_AT, 0, 0, 43, 43); /* cut in the descriptor */
    refuses(&img, "neither");
}

/* Every prefix of a good file is refused or boots: no read past its end (with ASan). */
static void test_truncated_anywhere(void)
{
    struct guest g = guest_new(16 * MiB);
    struct boot_options opt = {.append = NULL};
    struct elf_image img;

    make_elf(&img, true, 0);
    add_pvh_note(&img, TEXT_PADDR, 4);
    for (size_t n = 1; n < sizeof(img.data); n += n < 0x400 ? 1 : 37) {
        u8 *cut = malloc(n);
        memcpy(cut, img.data, n);
        CHECK(guest_boot(&g, &opt, cut, n) < 0);
        CHECK(strstr(g.err.text, "test-kernel") != NULL);
        free(cut);
    }
    guest_free(&g);
}

int main(void)
{
    TEST_RUN(test_boot);
    TEST_RUN(test_modules);
    TEST_RUN(test_refuses_bad_elf);
    TEST_RUN(test_refuses_bad_segments);
    TEST_RUN(test_bad_notes);
    TEST_RUN(test_truncated_anywhere);
    return test_result();
}
