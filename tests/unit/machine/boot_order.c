/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file "bootorder" that firmware reads, by --boot and by what there is to boot from. */
#include "../test.h"
#include "fw/optrom.h"
#include "machine/pc.h"

#include <errno.h>

#define DISK   "/pci@i0cf8/ide@1,1/drive@0/disk@0\n"
#define DISK2  "/pci@i0cf8/ide@1,1/drive@0/disk@1\n"
#define CD     "/pci@i0cf8/ide@1,1/drive@1/disk@0\n"
#define FLOPPY "/pci@i0cf8/isa@1/fdc@03f0/floppy@0\n"
#define NIC    "/pci@i0cf8/ethernet@3/ethernet-phy@0\n"
#define NIC2   "/pci@i0cf8/ethernet@4/ethernet-phy@0\n"

static void put(char to[64], const char *line)
{
    memcpy(to, line, strlen(line) - 1);
}

/* Named in another order than they are to be tried in; a USB disk has no path. */
static void some_devices(struct pc *pc)
{
    pc->disk[0].cfg.bus = DISK_FLOPPY;
    put(pc->disk[0].boot, FLOPPY);
    put(pc->disk[1].boot, DISK);
    pc->disk[2].cfg.cdrom = true;
    put(pc->disk[2].boot, CD);
    pc->disk[3].cfg.bus = DISK_USB;
    put(pc->disk[4].boot, DISK2);
    pc->ndisks = 5;
    put(pc->nic[0].boot, NIC);
    put(pc->nic[1].boot, NIC2);
}

static void order_of(const struct machine_config *cfg, const char *want)
{
    struct machine *m = calloc(1, sizeof(*m));
    struct pc *pc = calloc(1, sizeof(*pc));
    char *got;

    if (!m || !pc)
        abort();
    some_devices(pc);
    m->cfg = cfg;
    m->pc = pc;
    got = pc_boot_order(m);
    CHECK(got && !strcmp(got, want));
    if (got && strcmp(got, want))
        printf("--boot %s gives\n%swant\n%s", cfg->boot ? cfg->boot : "(none)", got, want);
    free(got);
    free(pc);
    free(m);
}

static void order_is(const char *boot, const char *kernel, const char *want)
{
    struct machine_config cfg = {.boot = (char *)boot, .kernel = (char *)kernel};

    order_of(&cfg, want);
}

static void without_the_option(void)
{
    order_is(NULL, NULL, DISK DISK2 CD FLOPPY NIC NIC2);
}

static void as_asked(void)
{
    order_is("cdrom", NULL, CD);
    order_is("net,floppy", NULL, NIC NIC2 FLOPPY);
    order_is("floppy,net,cdrom,disk", NULL, FLOPPY NIC NIC2 CD DISK DISK2);
}

static void a_kernel_is_first(void)
{
    order_is(NULL, "vmlinuz", OPTROM_PATH "\n" DISK DISK2 CD FLOPPY NIC NIC2);
    order_is("net", "vmlinuz", OPTROM_PATH "\n" NIC NIC2);
}

static void kept_variables_have_their_own(void)
{
    struct machine_config cfg = {.uefi = true, .nvram = (char *)"vars.fd"};

    order_of(&cfg, "");
    cfg.boot = (char *)"cdrom";
    order_of(&cfg, CD);
    cfg = (struct machine_config){.uefi = true};
    order_of(&cfg, DISK DISK2 CD FLOPPY NIC NIC2);
}

static void words_are_checked(void)
{
    static const char *const bad[] = {"",     "hd",        "disk,",         "disk,,net",
                                      ",net", "disk,disk", "net,disk,net",  "diskcdrom",
                                      "dis",  "Disk",      "disk cdrom,net"};
    struct err err;

    CHECK_EQ(machine_boot_check("disk", &err), 0);
    CHECK_EQ(machine_boot_check("net,floppy,cdrom,disk", &err), 0);
    for (unsigned n = 0; n < ARRAY_SIZE(bad); n++) {
        if (machine_boot_check(bad[n], &err) != -EINVAL)
            printf("accepted: '%s'\n", bad[n]);
        CHECK_EQ(-machine_boot_check(bad[n], &err), EINVAL);
    }
    CHECK_EQ(-machine_boot_check("disk,cdrom,disk", &err), EINVAL);
    CHECK(strstr(err.text, "disk twice"));
}

int main(void)
{
    TEST_RUN(without_the_option);
    TEST_RUN(as_asked);
    TEST_RUN(a_kernel_is_first);
    TEST_RUN(kept_variables_have_their_own);
    TEST_RUN(words_are_checked);
    return test_result();
}
