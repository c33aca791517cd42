/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernels in fw_cfg, brought to their places as the option ROM does; tests/integ/systems runs it.
 */
#include "fw/kernel_rom.h"
#include "../dev/rig.h"
#include "elfimage.h"
#include "fw/kernelboot.h"
#include "fw/optrom.h"
#include "fw/place.h"

#define LOW (32 * MiB)

struct firmware {
    struct rig rig;
    struct fwcfg *f;
    struct guest g; /* its memory is what the ROM fills */
    u8 head[HEAD_LEN];
};

static void open_firmware(struct firmware *fw)
{
    memset(fw, 0, sizeof(*fw));
    rig_open(&fw->rig);
    fw->g = guest_new(LOW);
    if (fwcfg_new(&fw->f, &fw->rig.pio, NULL))
        exit(99);
}

static void close_firmware(struct firmware *fw)
{
    fwcfg_free(fw->f);
    guest_free(&fw->g);
    rig_close(&fw->rig);
}

static int add(struct firmware *fw, struct boot_options opt, const void *data, size_t n, u64 low,
               bool bios)
{
    char path[64];
    int fd = memfd_create("kernel", 0), rc;

    if (fd < 0 || write(fd, data, n) != (ssize_t)n)
        exit(99);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    opt.kernel = path;
    fw->g.err.text[0] = 0;
    rc = kernel_rom_add(fw->f, &opt, low, bios, &fw->g.err);
    close(fd);
    return rc;
}

static void take(struct firmware *fw, u8 *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = in8(&fw->rig, 0x511);
}

static u32 head(const struct firmware *fw, unsigned at)
{
    return le32(fw->head + at);
}

static void bring(struct firmware *fw)
{
    u8 record[RECORD_LEN];
    unsigned records = 0;

    CHECK(!mem_fill(fw->g.mem, 0, 0xee, LOW)); /* whatever firmware has left there */
    bus_write(&fw->rig.pio, 0x510, 2, KERNELBOOT_DATA);
    take(fw, fw->head, HEAD_LEN);
    for (take(fw, record, RECORD_LEN); le32(record + RECORD_SIZE); take(fw, record, RECORD_LEN)) {
        u32 at = le32(record + RECORD_ADDRESS), n = le32(record + RECORD_SIZE);
        CHECK(n <= LOW && at <= LOW - n && records++ < PLACE_MAX);
        if (test_failures)
            exit(1);
        CHECK(at >= PAGE_SIZE && at + n <= LOW - FIRMWARE_ROOM);
        CHECK(at + n <= FIRMWARE_LOW_END || at >= MiB);
        take(fw, mem_ptr(fw->g.mem, at), n);
    }
    CHECK_EQ(le32(record + RECORD_ADDRESS), 0);
}

/* Where the ROM may write: in what was brought, which is not 0xee. */
static bool was_brought(struct firmware *fw, u32 at, u32 n)
{
    for (u32 i = 0; i < n; i++)
        if (*mem_ptr(fw->g.mem, at + i) == 0xee)
            return false;
    return true;
}

static void check_gdt(struct firmware *fw)
{
    u32 at = head(fw, HEAD_GDT_BASE);

    CHECK_EQ(le16(fw->head + HEAD_GDT_LIMIT), 47);
    CHECK_EQ(guest_u64(&fw->g, at + 0x08), 0x00cf9b000000ffff);
    CHECK_EQ(guest_u64(&fw->g, at + 0x10), 0x00cf93000000ffff);
}

static void test_multiboot(void)
{
    struct boot_options opt = {.append = "a b", .initrd = "/proc/self/exe x"};
    struct elf_image img;
    struct firmware fw;
    u32 info, list;

    open_firmware(&fw);
    make_elf(&img, false, 0xc0000000);
    add_multiboot(&img, 3);
    CHECK_EQ(add(&fw, opt, img.data, sizeof(img.data), LOW, true), 0);
    bring(&fw);
    CHECK_EQ(head(&fw, HEAD_ENTRY), TEXT_PADDR + ENTRY);
    CHECK_EQ(head(&fw, HEAD_EAX), 0x2badb002);
    CHECK(guest_has(&fw.g, DATA_PADDR, img.data + DATA_AT, DATA_LEN));
    CHECK_EQ(*mem_ptr(fw.g.mem, DATA_PADDR + DATA_LEN), 0);
    CHECK_EQ(*mem_ptr(fw.g.mem, DATA_PADDR + DATA_MEM - 1), 0);
    check_gdt(&fw);
    info = head(&fw, HEAD_EBX);
    CHECK(strstr((char *)mem_ptr(fw.g.mem, guest_u32(&fw.g, info + 16)), " a b"));
    CHECK_EQ(guest_u32(&fw.g, info + 20), 1);
    list = guest_u32(&fw.g, info + 24);
    CHECK(guest_has(&fw.g, guest_u32(&fw.g, list), "\177ELF", 4));
    CHECK(guest_has_text(&fw.g, guest_u32(&fw.g, list + 8), "/proc/self/exe x"));
    CHECK_EQ(head(&fw, HEAD_MEMORY), info + 4);
    CHECK_EQ(head(&fw, HEAD_LENGTH), info + 44);
    CHECK_EQ(head(&fw, HEAD_UNIT), 24);
    CHECK_EQ(head(&fw, HEAD_RSDP), 0);
    CHECK_EQ(head(&fw, HEAD_MAP), guest_u32(&fw.g, info + 48) + 4);
    CHECK_EQ(head(&fw, HEAD_ROOM), 64);
    CHECK(was_brought(&fw, head(&fw, HEAD_MAP) - 4, 64 * 24));
    CHECK_EQ(guest_u32(&fw.g, head(&fw, HEAD_MAP) - 4 + 63 * 24), 20);
    close_firmware(&fw);
}

static void test_pvh(void)
{
    struct boot_options opt = {.append = "quiet"};
    struct elf_image img;
    struct firmware fw;
    u32 info;

    open_firmware(&fw);
    make_elf(&img, true, 0xffffffff80000000);
    add_pvh_note(&img, TEXT_PADDR + 8, 8);
    CHECK_EQ(add(&fw, opt, img.data, sizeof(img.data), LOW, true), 0);
    bring(&fw);
    CHECK_EQ(head(&fw, HEAD_ENTRY), TEXT_PADDR + 8);
    info = head(&fw, HEAD_EBX);
    CHECK_EQ(guest_u32(&fw.g, info), 0x336ec578);
    CHECK(guest_has_text(&fw.g, (u32)guest_u64(&fw.g, info + 24), "quiet"));
    CHECK_EQ(head(&fw, HEAD_MAP), guest_u64(&fw.g, info + 40));
    CHECK_EQ(head(&fw, HEAD_LENGTH), info + 48);
    CHECK_EQ(head(&fw, HEAD_UNIT), 1);
    CHECK_EQ(head(&fw, HEAD_RSDP), info + 32);
    CHECK_EQ(head(&fw, HEAD_MEMORY), 0);
    CHECK(was_brought(&fw, head(&fw, HEAD_MAP), 64 * 24));
    close_firmware(&fw);
}

/* Refused with a message that contains `text`, and nothing is added. */
static void refuses(struct boot_options opt, const void *data, size_t n, u64 low, bool bios,
                    const char *text)
{
    struct firmware fw;

    open_firmware(&fw);
    CHECK(add(&fw, opt, data, n, low, bios) < 0);
    CHECK(strstr(fw.g.err.text, text) != NULL);
    if (!strstr(fw.g.err.text, text))
        fprintf(stderr, "message: \"%s\", want: \"%s\"\n", fw.g.err.text, text);
    bus_write(&fw.rig.pio, 0x510, 2, KERNELBOOT_DATA);
    take(&fw, fw.head, HEAD_LEN);
    CHECK_EQ(head(&fw, HEAD_ENTRY), 0);
    close_firmware(&fw);
}

static void test_refusals(void)
{
    struct boot_options opt = {.append = NULL}, bad = {.initrd = "a,,b x, y"};
    struct elf_image img;
    u8 zeros[600] = {0};

    make_elf(&img, false, 0);
    refuses(opt, img.data, sizeof(img.data), LOW, true, "neither a Multiboot");
    add_multiboot(&img, 3);
    refuses(opt, img.data, sizeof(img.data), LOW, false, "--uefi");
    refuses(bad, img.data, sizeof(img.data), LOW, true, "a,b");
    refuses(opt, img.data, sizeof(img.data), 2 * MiB, true, "--memory");
    refuses(opt, img.data, sizeof(img.data), MiB, true, "--memory");
    put_phdr(&img, 1, 1, DATA_AT, DATA_PADDR, FIRMWARE_LOW_END - 1, DATA_LEN, DATA_MEM);
    refuses(opt, img.data, sizeof(img.data), LOW, true, "no memory to use");
    put_phdr(&img, 1, 1, DATA_AT, DATA_PADDR, LOW - FIRMWARE_ROOM, DATA_LEN, DATA_MEM);
    refuses(opt, img.data, sizeof(img.data), LOW, true, "no memory to use");
    refuses(opt, zeros, sizeof(zeros), LOW, true, "not a kernel");
}

int main(void)
{
    TEST_RUN(test_multiboot);
    TEST_RUN(test_pvh);
    TEST_RUN(test_refusals);
    return test_result();
}
