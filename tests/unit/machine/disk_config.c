/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --disk, --cdrom and --floppy: what their text means, and what is refused with which words. */
#include "machine/disk_config.h"
#include "../test.h"

#include <errno.h>

static struct disk_config disk;
static struct err err;

static int parse(struct disk_config defaults, const char *text)
{
    disk = defaults;
    err.text[0] = '\0';
    return disk_parse(&disk, text, &err);
}

static void a_file_alone(void)
{
    CHECK_EQ(parse((struct disk_config){0}, "a.img"), 0);
    CHECK(!strcmp(disk.path, "a.img"));
    CHECK_EQ(disk.bus, DISK_IDE);
    CHECK(!disk.cdrom && !disk.read_only && !disk.snapshot);
}

static void every_key(void)
{
    CHECK_EQ(parse((struct disk_config){0}, "a.img,bus=ahci,ro,snapshot"), 0);
    CHECK_EQ(disk.bus, DISK_AHCI);
    CHECK(disk.read_only && disk.snapshot && !disk.cdrom);
    CHECK_EQ(parse((struct disk_config){0}, "a.img,iops=5,bps_rd_max=2M"), 0);
    CHECK_EQ(disk.limits.rate[THROTTLE_OPS], 5);
    CHECK_EQ(disk_image(&disk).limits.burst[THROTTLE_BYTES_READ], 2 * MiB);
    CHECK_EQ(parse((struct disk_config){0}, "a.img,iops=few"), -EINVAL);
    CHECK_EQ(parse((struct disk_config){0}, "a.img,bus=usb"), 0);
    CHECK_EQ(disk.bus, DISK_USB);
    CHECK_EQ(parse((struct disk_config){0}, "a.img,bus=floppy"), 0);
    CHECK_EQ(disk.bus, DISK_FLOPPY);
    CHECK_EQ(parse((struct disk_config){0}, "a.iso,media=cdrom,bus=ide"), 0);
    CHECK(disk.cdrom && disk.read_only);
    CHECK_EQ(parse((struct disk_config){.cdrom = true}, "a.img,media=disk"), 0);
    CHECK(!disk.cdrom && !disk.read_only);
    CHECK_EQ(parse((struct disk_config){0}, "a.img,bus=usb,bus=ahci"), 0); /* the last counts */
    CHECK_EQ(disk.bus, DISK_AHCI);
}

static void commas_in_names(void)
{
    CHECK_EQ(parse((struct disk_config){0}, "a,,b,,,ro"), 0);
    CHECK(!strcmp(disk.path, "a,b,"));
    CHECK(disk.read_only);
    CHECK_EQ(parse((struct disk_config){0}, ",,"), 0);
    CHECK(!strcmp(disk.path, ","));
}

static void empty_drives(void)
{
    CHECK_EQ(parse((struct disk_config){.cdrom = true}, "none"), 0);
    CHECK(!disk.path[0] && disk.read_only);
    CHECK_EQ(parse((struct disk_config){.bus = DISK_FLOPPY}, "none"), 0);
    CHECK(!disk.path[0] && !disk.read_only);
    CHECK_EQ(parse((struct disk_config){.cdrom = true}, "none,bus=ahci"), 0);
    CHECK_EQ(disk.bus, DISK_AHCI);
}

static void names_as_long_as_they_may_be(void)
{
    char text[sizeof(disk.path) + 8];

    memset(text, 'x', sizeof(text));
    strcpy(text + sizeof(disk.path) - 1, ",ro");
    CHECK_EQ(parse((struct disk_config){0}, text), 0);
    CHECK_EQ(strlen(disk.path), sizeof(disk.path) - 1);
    CHECK(disk.read_only);
    memset(text, 'x', sizeof(disk.path));
    text[sizeof(disk.path)] = '\0';
    CHECK_EQ(parse((struct disk_config){0}, text), -EINVAL);
    CHECK(strstr(err.text, "longer than 1023"));
}

static void images(void)
{
    struct disk_config d = {0};
    struct block_config image;

    CHECK_EQ(disk_parse(&d, "a.img,copy-on-read=on", &err), 0);
    CHECK(disk_image(&d).copy_on_read && !disk_image(&d).unsynced);
    CHECK_EQ(disk_parse(&d, "a.img,cache=unsafe", &err), 0);
    CHECK(disk_image(&d).unsynced);
    CHECK_EQ(disk_parse(&d, "a.img,cache=writeback", &err), 0);
    CHECK(!disk_image(&d).unsynced);
    d = (struct disk_config){0};
    CHECK_EQ(disk_parse(&d, "a.img,format=qcow2,backing=any,snapshot", &err), 0);
    image = disk_image(&d);
    CHECK(!strcmp(image.path, "a.img") && !strcmp(image.format, "qcow2"));
    CHECK(image.any_backing && image.snapshot && !image.read_only);
    image = disk_other_image(&d, "b.img", NULL, true);
    CHECK(!strcmp(image.path, "b.img") && !image.format && image.read_only);
    d = (struct disk_config){.cdrom = true};
    CHECK_EQ(disk_parse(&d, "a.iso", &err), 0);
    image = disk_image(&d);
    CHECK(!strcmp(image.format, "raw") && image.read_only);
}

static void refusals(void)
{
    static char long_word[400] = "a.img,";
    static const struct {
        const char *text, *says;
        bool cdrom;
    } bad[] = {
        {"", "no file is named", false},
        {",ro", "no file is named", false},
        {"a.img,", "'' is unknown", false},
        {"a.img,ro,", "'' is unknown", false},
        {"a.img,copy-on-read=maybe", "copy-on-read: ", false},
        {"a.img,copy-on-read=on,ro", "ro, snapshot and media=cdrom", false},
        {"a.img,snapshot,copy-on-read=on", "ro, snapshot and media=cdrom", false},
        {"a.img,cache=none", "cache: there are writeback and unsafe", false},
        {"a.img,bus=mca", "bus=mca", false},
        {"a.img,bus=", "bus=: there are ide", false},
        {"a.img,bus=IDE", "bus=IDE", false},
        {"a.img,media=tape", "'media=tape' is unknown", false},
        {"a.img,readonly", "'readonly' is unknown", false},
        {"a.img,ro=on", "'ro=on' is unknown", false},
        {"a.iso,bus=usb", "buses ide, ahci and scsi only", true},
        {"a.iso,bus=floppy,media=cdrom", "buses ide, ahci and scsi only", false},
        {"none", "no empty drive", false},
        {"none,bus=usb", "no empty drive", false},
        {long_word, "too long", false},
        {"a.img,key-file=", "key-file: a name", false},
    };

    memset(long_word + 6, 'x', sizeof(long_word) - 7);
    for (unsigned n = 0; n < ARRAY_SIZE(bad); n++) {
        CHECK_EQ(-parse((struct disk_config){.cdrom = bad[n].cdrom}, bad[n].text), EINVAL);
        if (!strstr(err.text, bad[n].says))
            printf("%s: %s\n", bad[n].text, err.text);
        CHECK(strstr(err.text, bad[n].says));
    }
}

int main(void)
{
    TEST_RUN(a_file_alone);
    TEST_RUN(every_key);
    TEST_RUN(commas_in_names);
    TEST_RUN(empty_drives);
    TEST_RUN(names_as_long_as_they_may_be);
    TEST_RUN(images);
    TEST_RUN(refusals);
    return test_result();
}
