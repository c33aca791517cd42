/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fw/linux.h"
#include "guest.h"
#include "x86/regs.h"

#define SETUP_SIZE (2 * 512)
#define CODE_SIZE  0x1230 /* not a multiple of a page */
#define CODE       0x5a

/* A bzImage of protocol 2.15 as Linux 6 builds it: relocatable, 64-bit, preferring 16 MiB. */
struct bzimage {
    u8 data[SETUP_SIZE + CODE_SIZE];
};

static void make(struct bzimage *img)
{
    u8 *h = img->data;

    memset(h, 0x11, SETUP_SIZE); /* what must not get into boot_params */
    memset(h + 0x1f1, 0, 0x290 - 0x1f1);
    memset(h + SETUP_SIZE, CODE, CODE_SIZE);
    h[0x1f1] = 1;
    put_le32(h + 0x1f4, CODE_SIZE / 16);
    put_le16(h + 0x1fe, 0xaa55);
    h[0x200] = 0xeb;
    h[0x201] = 0x6a;
    memcpy(h + 0x202, "HdrS", 4);
    put_le16(h + 0x206, 0x20f);
    h[0x211] = 1;
    put_le32(h + 0x214, 0x100000);
    put_le32(h + 0x22c, 0x7fffffff);
    put_le32(h + 0x230, 0x200000);
    h[0x234] = 1;
    h[0x235] = 21;
    put_le16(h + 0x236, 0x3);
    put_le32(h + 0x238, 2047);
    put_le64(h + 0x258, 0x1000000);
    put_le32(h + 0x260, 0x300000);
}

static int boot(struct guest *g, const struct bzimage *img, const struct boot_options *opt)
{
    int rc = guest_boot(g, opt, img->data, sizeof(img->data));

    if (rc)
        fprintf(stderr, "%s\n", g->err.text);
    CHECK_EQ(rc, 0);
    return rc;
}

static void refuses(const struct bzimage *img, const struct boot_options *opt, u64 memory,
                    const char *text)
{
    struct guest g = guest_new(memory);

    guest_refuses(&g, opt, img->data, sizeof(img->data), text);
    guest_free(&g);
}

static void check_e820(struct guest *g, gpa_t bp)
{
    u32 n = *mem_ptr(g->mem, bp + 0x1e8);
    u64 ram = 0;

    CHECK(n >= 4 && n <= E820_MAX);
    for (u32 i = 0; i < n; i++) {
        gpa_t e = bp + 0x2d0 + i * 20;
        if (guest_u32(g, e + 16) == 1)
            ram += guest_u64(g, e + 8);
    }
    CHECK_EQ(ram, g->mem->size - (MiB - 0x9fc00));
}

static void test_boot(void)
{
    struct guest g = guest_new(64 * MiB);
    struct boot_options opt = {.append = "console=ttyS0 quiet"};
    struct bzimage img;
    gpa_t bp;

    make(&img);
    boot(&g, &img, &opt);
    CHECK_EQ(g.state.protocol, BOOT_LINUX);
    CHECK_EQ(g.state.mode, 32);
    CHECK_EQ(g.state.rip, 0x1000000);
    CHECK_EQ(g.state.gpr[RBX] | g.state.gpr[RBP] | g.state.gpr[RDI], 0);
    CHECK(guest_has(&g, 0x1000000, img.data + SETUP_SIZE, CODE_SIZE));
    bp = g.state.gpr[RSI];
    CHECK_EQ(bp & 0xfff, 0);
    CHECK(guest_has(&g, bp + 0x202, "HdrS", 4));
    CHECK_EQ(guest_u32(&g, bp + 0x214), 0x1000000);
    CHECK_EQ(*mem_ptr(g.mem, bp + 0x210), 0xff);
    CHECK_EQ(*mem_ptr(g.mem, bp + 0x1ef), 0); /* the sentinel */
    CHECK_EQ(guest_u32(&g, bp), 0);           /* no screen */
    CHECK_EQ(guest_u32(&g, bp + 0x26c), 0);   /* past the end of the header */
    CHECK_EQ(guest_u32(&g, bp + 0x218), 0);
    CHECK(guest_has_text(&g, guest_u32(&g, bp + 0x228), "console=ttyS0 quiet"));
    CHECK(guest_has(&g, guest_u64(&g, bp + 0x70), "RSD PTR ", 8));
    check_e820(&g, bp);
    guest_free(&g);
}

static void test_gdt(void)
{
    struct guest g = guest_new(64 * MiB);
    struct boot_options opt = {.append = NULL};
    struct bzimage img;

    make(&img);
    boot(&g, &img, &opt);
    CHECK_EQ(g.state.cs, 0x10);
    CHECK_EQ(g.state.ds, 0x18);
    CHECK(g.state.gdt_limit >= 0x27);
    CHECK_EQ(guest_u64(&g, g.state.gdt_base + 0x10), 0x00cf9b000000ffff);
    CHECK_EQ(guest_u64(&g, g.state.gdt_base + 0x18), 0x00cf93000000ffff);
    CHECK(guest_has_text(&g, guest_u32(&g, g.state.gpr[RSI] + 0x228), ""));
    guest_free(&g);
}

static void test_initrd(void)
{
    struct guest g = guest_new(64 * MiB);
    char path[64];
    int fd = guest_file(0x77, 12345, path);
    struct boot_options opt = {.initrd = path};
    struct bzimage img;
    gpa_t bp;

    make(&img);
    boot(&g, &img, &opt);
    bp = g.state.gpr[RSI];
    CHECK_EQ(guest_u32(&g, bp + 0x218), 64 * MiB - 0x4000);
    CHECK_EQ(guest_u32(&g, bp + 0x21c), 12345);
    CHECK_EQ(guest_u32(&g, bp + 0xc0) | guest_u32(&g, bp + 0xc4), 0);
    CHECK_EQ(*mem_ptr(g.mem, 64 * MiB - 0x4000 + 12344), 0x77);
    /* Under the kernel's limit, which is the last byte's address. */
    put_le32(img.data + 0x22c, 0x2ffffff);
    boot(&g, &img, &opt);
    CHECK_EQ(guest_u32(&g, g.state.gpr[RSI] + 0x218), 0x3000000 - 0x4000);
    /* And not into the room that the kernel needs when it unpacks itself. */
    put_le32(img.data + 0x22c, 0x11fffff);
    boot(&g, &img, &opt);
    CHECK_EQ(guest_u32(&g, g.state.gpr[RSI] + 0x218), 0x1000000 - 0x4000);
    put_le32(img.data + 0x22c, 0xfffff);
    CHECK_EQ(-guest_boot(&g, &opt, img.data, sizeof(img.data)), ENOMEM);
    CHECK(strstr(g.err.text, path) && strstr(g.err.text, "does not fit"));
    opt.initrd = "/nonexistent/initrd";
    CHECK_EQ(-guest_boot(&g, &opt, img.data, sizeof(img.data)), ENOENT);
    CHECK(strstr(g.err.text, "/nonexistent/initrd"));
    guest_free(&g);
    close(fd);
}

/* With too little memory for the preferred address the kernel goes lower, aligned. */
static void test_relocation(void)
{
    struct guest g = guest_new(16 * MiB);
    struct boot_options opt = {.append = NULL};
    struct bzimage img;

    make(&img);
    boot(&g, &img, &opt);
    CHECK_EQ(g.state.rip, 0x200000);
    put_le32(img.data + 0x230, 0x1000000); /* alignment 16 MiB, but at least 2 MiB will do */
    boot(&g, &img, &opt);
    CHECK_EQ(g.state.rip, 0x200000);
    img.data[0x235] = 24;
    guest_refuses(&g, &opt, img.data, sizeof(img.data), "guest memory to start");
    img.data[0x234] = 0; /* not relocatable: unpacks itself to 16 MiB */
    guest_refuses(&g, &opt, img.data, sizeof(img.data), "--memory");
    put_le64(img.data + 0x258, 0x400000);
    boot(&g, &img, &opt);
    CHECK_EQ(g.state.rip, 0x100000);
    guest_free(&g);
}

/* Protocol 2.04, of Linux 2.6.14: fixed at 1 MiB; the fields after it are code. */
static void test_old_protocol(void)
{
    struct guest g = guest_new(16 * MiB);
    struct boot_options opt = {.append = "root=/dev/hda1"};
    struct bzimage img;

    make(&img);
    put_le16(img.data + 0x206, 0x204);
    memset(img.data + 0x230, 0xee, 0x60);
    boot(&g, &img, &opt);
    CHECK_EQ(g.state.rip, 0x100000);
    CHECK_EQ(g.state.mode, 32);
    guest_free(&g);
}

/* A kernel that needs more than there is below 4 GiB starts above, in long mode. */
static void test_entry_above_4g(void)
{
    struct guest g = guest_new(8 * GiB);
    struct boot_options opt = {.append = NULL};
    struct bzimage img;
    gpa_t pdpt, pd;

    make(&img);
    put_le32(img.data + 0x260, 0xe0000000);
    boot(&g, &img, &opt);
    CHECK_EQ(g.state.mode, 64);
    CHECK_EQ(g.state.rip, 4 * GiB + 0x200);
    CHECK(guest_has(&g, 4 * GiB, img.data + SETUP_SIZE, CODE_SIZE));
    CHECK_EQ(guest_u64(&g, g.state.gdt_base + 0x10), 0x00af9b000000ffff);
    pdpt = guest_u64(&g, g.state.cr3) & PAGE_MASK;
    pd = guest_u64(&g, pdpt + 8 * 8) & PAGE_MASK;
    CHECK_EQ(guest_u64(&g, pd + 8), (8 * GiB + 2 * MiB) | PTE_PS | PTE_W | PTE_P);
    CHECK_EQ(guest_u64(&g, (guest_u64(&g, pdpt) & PAGE_MASK)), PTE_PS | PTE_W | PTE_P);
    CHECK_EQ(guest_u64(&g, pdpt + 9 * 8), 0); /* RAM ends at 9 GiB */
    put_le16(img.data + 0x236, 1);            /* may not be loaded above 4 GiB */
    guest_refuses(&g, &opt, img.data, sizeof(img.data), "guest memory to start");
    guest_free(&g);
}

static void test_initrd_above_4g(void)
{
    struct guest g = guest_new(4 * GiB);
    char path[64];
    int fd = guest_file(0x33, 3 * 4096, path);
    struct boot_options opt = {.initrd = path};
    struct bzimage img;
    gpa_t bp;

    make(&img);
    put_le64(img.data + 0x258, 0x200000);
    put_le32(img.data + 0x260, 0xc0000000 - 0x203000); /* all but 12 KiB */
    put_le32(img.data + 0x22c, 0xffffffff);
    boot(&g, &img, &opt);
    CHECK_EQ(g.state.mode, 32); /* it still fits */
    put_le32(img.data + 0x260, 0xc0000000 - 0x200000);
    put_le32(img.data + 0x22c, 0x200000);
    g.state.mode = 0;
    close(fd);
    fd = guest_file(0x33, 2 * MiB, path);
    boot(&g, &img, &opt);
    CHECK_EQ(g.state.mode, 64);
    bp = g.state.gpr[RSI];
    CHECK_EQ(guest_u32(&g, bp + 0xc0), 1);
    CHECK_EQ(guest_u32(&g, bp + 0x218), GiB - 2 * MiB);
    CHECK_EQ(*mem_ptr(g.mem, 5 * GiB - 1), 0x33);
    guest_free(&g);
    close(fd);
}

static void test_command_line_limit(void)
{
    struct guest g = guest_new(64 * MiB);
    char *text = malloc(70000);
    struct boot_options opt = {.append = text};
    struct bzimage img;

    make(&img);
    memset(text, 'x', 70000);
    text[2047] = 0;
    boot(&g, &img, &opt);
    text[2047] = 'x';
    text[2048] = 0;
    guest_refuses(&g, &opt, img.data, sizeof(img.data), "2048 bytes");
    put_le32(img.data + 0x238, UINT32_MAX);
    boot(&g, &img, &opt);
    text[2048] = 'x';
    text[69999] = 0;
    CHECK_EQ(-guest_boot(&g, &opt, img.data, sizeof(img.data)), E2BIG);
    guest_free(&g);
    free(text);
}

static void test_refuses_bad_headers(void)
{
    struct boot_options opt = {.append = NULL};
    struct boot_module module = {"/dev/null", NULL};
    struct bzimage img;

    make(&img);
    put_le16(img.data + 0x206, 0x201);
    refuses(&img, &opt, 64 * MiB, "2.01 is too old");
    make(&img);
    img.data[0x211] = 0;
    refuses(&img, &opt, 64 * MiB, "zImage");
    make(&img);
    put_le32(img.data + 0x1f4, CODE_SIZE / 16 + 1);
    refuses(&img, &opt, 64 * MiB, "cut off");
    make(&img);
    img.data[0x1f1] = 64;
    refuses(&img, &opt, 64 * MiB, "cut off");
    make(&img);
    put_le32(img.data + 0x230, 0x300000);
    refuses(&img, &opt, 64 * MiB, "alignment");
    make(&img);
    img.data[0x235] = 60;
    refuses(&img, &opt, 64 * MiB, "alignment");
    make(&img);
    opt.modules = &module;
    opt.nmodules = 1;
    refuses(&img, &opt, 64 * MiB, "--initrd");
}

/* A file signature after the code is not loaded. */
static void test_trailing_data(void)
{
    struct guest g = guest_new(64 * MiB);
    struct boot_options opt = {.append = NULL};
    struct bzimage img;

    make(&img);
    put_le32(img.data + 0x1f4, CODE_SIZE / 16 - 0x10);
    boot(&g, &img, &opt);
    CHECK_EQ(*mem_ptr(g.mem, 0x1000000 + CODE_SIZE - 0x101), CODE);
    CHECK_EQ(*mem_ptr(g.mem, 0x1000000 + CODE_SIZE - 0x100), 0);
    guest_free(&g);
}

static void test_other_files(void)
{
    struct guest g = guest_new(64 * MiB), tiny = guest_new(MiB);
    struct boot_options opt = {.append = NULL};
    u8 text[2000];

    memset(text, ' ', sizeof(text));
    guest_refuses(&g, &opt, text, sizeof(text), "not a kernel known here");
    guest_refuses(&g, &opt, text, 1, "not a kernel known here");
    memcpy(text, "\x1f\x8b\x08", 3);
    guest_refuses(&g, &opt, text, sizeof(text), "gzip");
    CHECK_EQ(-guest_boot(&tiny, &opt, text, sizeof(text)), EINVAL);
    CHECK(strstr(tiny.err.text, "--memory"));
    guest_free(&g);
    guest_free(&tiny);
}

static void test_from_file(void)
{
    struct guest g = guest_new(64 * MiB);
    struct fw_platform plat = test_platform(1);
    struct boot_options opt = {.kernel = "/proc/self/exe"};

    /* This program is an ELF file, but no kernel. */
    CHECK_EQ(-boot_load(&g.state, g.mem, &opt, &plat, &g.err), ENOEXEC);
    CHECK(strstr(g.err.text, "/proc/self/exe") && strstr(g.err.text, "PVH"));
    opt.kernel = "/nonexistent/vmlinuz";
    CHECK_EQ(-boot_load(&g.state, g.mem, &opt, &plat, &g.err), ENOENT);
    CHECK(strstr(g.err.text, "/nonexistent/vmlinuz"));
    guest_free(&g);
}

static int vid_mode(const char *cmdline, u16 *mode)
{
    struct err err;

    *mode = 7;
    return linux_vid_mode(cmdline, mode, &err);
}

static void test_video_modes(void)
{
    static const struct {
        const char *cmdline;
        u16 mode;
    } good[] = {{NULL, 7},
                {"quiet", 7},
                {"xvga=1 novga=2", 7},
                {"vga=normal", 0xffff},
                {"quiet vga=ext x", 0xfffe},
                {"vga=1 vga=ask", 0xfffd},
                {"vga=791", 791},
                {"a vga=0x317 b", 0x317}};
    static const char *const bad[] = {"vga=", "vga= 1", "vga=big", "vga=-1", "vga=1x", "vga=65536"};
    u16 mode;

    for (size_t n = 0; n < ARRAY_SIZE(good); n++) {
        CHECK_EQ(vid_mode(good[n].cmdline, &mode), 0);
        CHECK_EQ(mode, good[n].mode);
    }
    for (size_t n = 0; n < ARRAY_SIZE(bad); n++) {
        CHECK_EQ(vid_mode(bad[n], &mode), -EINVAL);
        CHECK_EQ(mode, 7);
    }
}

int main(void)
{
    TEST_RUN(test_boot);
    TEST_RUN(test_gdt);
    TEST_RUN(test_initrd);
    TEST_RUN(test_relocation);
    TEST_RUN(test_old_protocol);
    TEST_RUN(test_entry_above_4g);
    TEST_RUN(test_initrd_above_4g);
    TEST_RUN(test_command_line_limit);
    TEST_RUN(test_refuses_bad_headers);
    TEST_RUN(test_trailing_data);
    TEST_RUN(test_other_files);
    TEST_RUN(test_from_file);
    TEST_RUN(test_video_modes);
    return test_result();
}
