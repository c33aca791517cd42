/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP's requests and answers: forms, ids, errors, drives, keys, events; where messages end. */
#include "../test.h"
#include "dev/pcihotplug.h"
#include "machine/board.h"
#include "machine/board_virtio.h"
#include "machine/pc.h"
#include "qmp_rig.h"
#include "virtio/balloon.h"
#include "virtio/scsi.h"

#include <errno.h>

static struct qmp_rig r;

/* One request; the answer, which the rig owns until the next one. Events are in r.sent before it.
 */
static const json_t *ask(const char *text)
{
    json_array_clear(r.sent);
    qmp_execute(&r.core, &r.session, text, strlen(text));
    CHECK(json_array_size(r.sent) >= 1);
    return json_array_get(r.sent, json_array_size(r.sent) - 1);
}

static void open_rig(void)
{
    qmp_rig_open(&r);
    CHECK(json_object_get(ask("{\"execute\": \"qmp_capabilities\"}"), "return"));
}

static bool fails(const char *text, const char *class, const char *desc)
{
    const json_t *error = json_object_get(ask(text), "error");
    const char *c = json_string_value(json_object_get(error, "class"));
    const char *d = json_string_value(json_object_get(error, "desc"));
    bool ok = c && d && !strcmp(c, class) && strstr(d, desc);

    if (!ok)
        printf("%s: %s, %s\n", text, c ? c : "no error", d ? d : "");
    return ok;
}

static const char *event(size_t n)
{
    const char *name = json_string_value(json_object_get(json_array_get(r.sent, n), "event"));

    return name ? name : "";
}

static void negotiation(void)
{
    const json_t *hello;

    qmp_rig_open(&r);
    hello = json_object_get(json_array_get(r.sent, 0), "QMP");
    CHECK(json_is_array(json_object_get(hello, "capabilities")));
    CHECK(json_is_integer(
        json_object_get(json_object_get(json_object_get(hello, "version"), "qemu"), "major")));
    CHECK(fails("{\"execute\": \"query-status\"}", "CommandNotFound", "Expecting capabilities"));
    CHECK(fails("{\"execute\": \"qmp_capabilities\", \"arguments\": {\"enable\": [\"oob\"]}}",
                "GenericError", "oob"));
    ask("{\"execute\": \"qmp_capabilities\"}");
    CHECK(fails("{\"execute\": \"qmp_capabilities\"}", "CommandNotFound", "already complete"));
    qmp_rig_close(&r);
}

static void forms(void)
{
    const json_t *a;

    open_rig();
    a = ask("{\"execute\": \"query-status\", \"id\": {\"n\": [1, null]}}");
    CHECK(json_is_true(json_object_get(json_object_get(a, "return"), "running")));
    CHECK_EQ(json_array_size(json_object_get(json_object_get(a, "id"), "n")), 2);
    CHECK(fails("{\"execute\": \"nonsense\", \"id\": 7}", "CommandNotFound",
                "The command nonsense has not been found"));
    CHECK_EQ(json_integer_value(json_object_get(json_array_get(r.sent, 0), "id")), 7);
    CHECK(fails("{\"id\": 1}", "GenericError", "lacks member 'execute'"));
    CHECK(fails("{\"execute\": 1}", "GenericError", "must be a string"));
    CHECK(fails("{\"execute\": \"stop\", \"extra\": 1}", "GenericError", "'extra' is unexpected"));
    CHECK(fails("{\"execute\": \"stop\", \"arguments\": 1}", "GenericError", "must be an object"));
    CHECK(fails("{\"execute\": \"stop\", \"arguments\": {\"a\": 1}}", "GenericError",
                "Parameter 'a' is unexpected"));
    CHECK(fails("{\"execute\": \"set_link\", \"arguments\": {\"name\": \"net0\"}}", "GenericError",
                "Parameter 'up' is missing"));
    CHECK(fails("{\"execute\": \"set_link\", \"arguments\": {\"name\": \"net0\", \"up\": 1}}",
                "GenericError", "expected: boolean"));
    CHECK(fails("{\"execute\": \"stop\", \"execute\": \"cont\"}", "GenericError", "JSON"));
    CHECK(fails("{execute}", "GenericError", "JSON"));
    /* A message that is cut within a character is an answer all the same. */
    CHECK(
        fails("{\"execute\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
              "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\xc3\xa4\"}",
              "CommandNotFound", "xx? has not been found"));
    qmp_rig_close(&r);
}

static void drives(void)
{
    char text[256];
    const json_t *all;

    open_rig();
    all = json_object_get(ask("{\"execute\": \"query-block\"}"), "return");
    CHECK_EQ(json_array_size(all), 3);
    CHECK(!strcmp(qmp_string(json_array_get(all, 0), "device"), "ide0-hd0"));
    CHECK(!strcmp(qmp_string(json_array_get(all, 1), "device"), "ide1-cd0"));
    CHECK(!strcmp(qmp_string(json_array_get(all, 2), "device"), "floppy0"));
    CHECK(fails("{\"execute\": \"eject\", \"arguments\": {\"device\": \"ide0-hd0\"}}",
                "GenericError", "Device 'ide0-hd0' is not removable"));
    CHECK(fails("{\"execute\": \"eject\", \"arguments\": {\"id\": \"cd9\"}}", "DeviceNotFound",
                "cd9"));
    CHECK(fails("{\"execute\": \"eject\", \"arguments\": {}}", "GenericError", "exactly one"));
    CHECK(fails("{\"execute\": \"blockdev-change-medium\", \"arguments\": {\"id\": \"ide1-cd0\", "
                "\"filename\": \"/no/such/file\"}}",
                "GenericError", "/no/such/file"));
    CHECK(fails("{\"execute\": \"blockdev-change-medium\", \"arguments\": {\"id\": \"ide1-cd0\", "
                "\"filename\": \"x\", \"format\": \"zip\"}}",
                "GenericError", "zip"));
    snprintf(text, sizeof(text),
             "{\"execute\": \"blockdev-change-medium\", \"arguments\": {\"id\": \"ide1-cd0\", "
             "\"filename\": \"%s\"}}",
             r.bios);
    CHECK(json_object_get(ask(text), "return"));
    CHECK_EQ(json_array_size(r.sent), 3);
    CHECK(!strcmp(event(0), "DEVICE_TRAY_MOVED") && !strcmp(event(1), "DEVICE_TRAY_MOVED"));
    all = json_object_get(ask("{\"execute\": \"query-block\"}"), "return");
    all = json_object_get(json_array_get(all, 1), "inserted");
    CHECK(all && !strcmp(qmp_string(all, "file"), r.bios) && qmp_flag(all, "ro"));
    CHECK(json_object_get(ask("{\"execute\": \"eject\", \"arguments\": {\"id\": \"ide1-cd0\"}}"),
                          "return"));
    all = json_array_get(json_object_get(ask("{\"execute\": \"query-block\"}"), "return"), 1);
    CHECK(!json_object_get(all, "inserted") && qmp_flag(all, "tray_open"));
    ask("{\"execute\": \"blockdev-close-tray\", \"arguments\": {\"id\": \"ide1-cd0\"}}");
    CHECK(!strcmp(event(0), "DEVICE_TRAY_MOVED"));
    qmp_rig_close(&r);
}

static void trouble(void)
{
    struct block_trouble t = {.failed = true, .write = true, .rc = -ENOSPC};
    const json_t *data;

    open_rig();
    json_array_clear(r.sent);
    pc_media_trouble(&r.machine->pc->disk[0], &t);
    t = (struct block_trouble){.damage = "cluster 7 \xc3"}; /* cut within a character */
    pc_media_trouble(&r.machine->pc->disk[0], &t);
    machine_pause(r.machine, true);
    CHECK(!strcmp(event(0), "BLOCK_IMAGE_CORRUPTED") && !strcmp(event(1), "BLOCK_IO_ERROR"));
    data = json_object_get(json_array_get(r.sent, 0), "data");
    CHECK(!strcmp(qmp_string(data, "device"), "ide0-hd0"));
    CHECK(!strcmp(qmp_string(data, "msg"), "cluster 7 ?"));
    CHECK(json_is_false(json_object_get(data, "fatal")));
    data = json_object_get(json_array_get(r.sent, 1), "data");
    CHECK(!strcmp(qmp_string(data, "operation"), "write"));
    CHECK(!strcmp(qmp_string(data, "action"), "report") && qmp_flag(data, "nospace"));
    CHECK(!strcmp(qmp_string(data, "reason"), "No space left on device"));
    json_array_clear(r.sent);
    machine_pause(r.machine, false);
    CHECK(!strcmp(event(0), "RESUME")); /* they are told once */
    qmp_rig_close(&r);
}

static void resizing(void)
{
    open_rig();
    CHECK(fails("{\"execute\": \"block_resize\", \"arguments\": {\"size\": 512}}", "GenericError",
                "exactly one of 'device' and 'node-name'"));
    CHECK(fails("{\"execute\": \"block_resize\", \"arguments\": {\"device\": \"hd7\", "
                "\"size\": 512}}",
                "DeviceNotFound", "hd7"));
    CHECK(fails("{\"execute\": \"block_resize\", \"arguments\": {\"device\": \"ide0-hd0\", "
                "\"size\": 0}}",
                "GenericError", ">0 size"));
    CHECK(fails("{\"execute\": \"block_resize\", \"arguments\": {\"device\": \"ide0-hd0\", "
                "\"size\": 1000}}",
                "GenericError", "multiple of 512"));
    CHECK(fails("{\"execute\": \"block_resize\", \"arguments\": {\"device\": \"floppy0\", "
                "\"size\": 512}}",
                "GenericError", "floppy0"));
    qmp_rig_close(&r);
}

static void stopping(void)
{
    open_rig();
    ask("{\"execute\": \"stop\"}");
    CHECK(!strcmp(event(0), "STOP"));
    CHECK(machine_is_paused(r.machine));
    ask("{\"execute\": \"stop\"}"); /* twice is once */
    CHECK_EQ(json_array_size(r.sent), 1);
    CHECK(!strcmp(
        qmp_string(json_object_get(ask("{\"execute\": \"query-status\"}"), "return"), "status"),
        "paused"));
    ask("{\"execute\": \"cont\"}");
    CHECK(!strcmp(event(0), "RESUME"));
    ask("{\"execute\": \"system_powerdown\"}");
    CHECK(!strcmp(event(0), "POWERDOWN"));
    CHECK(fails("{\"execute\": \"system_wakeup\"}", "GenericError", "not in suspended state"));
    machine_on_sleep(r.machine, 0, true);
    CHECK(!strcmp(
        qmp_string(json_object_get(ask("{\"execute\": \"query-status\"}"), "return"), "status"),
        "suspended"));
    CHECK(json_object_get(ask("{\"execute\": \"system_wakeup\"}"), "return"));
    CHECK(fails("{\"execute\": \"set_link\", \"arguments\": {\"name\": \"net1\", \"up\": true}}",
                "DeviceNotFound", "net1"));
    CHECK(json_object_get(
        ask("{\"execute\": \"set_link\", \"arguments\": {\"name\": \"net0\", \"up\": false}}"),
        "return"));
    qmp_rig_close(&r);
}

#define DO(command, args) "{\"execute\": \"" command "\", \"arguments\": {" args "}}"

/* Whether the slot can be seen on the bus. */
static bool in_slot(unsigned slot)
{
    return pci_config_read(r.machine->pci, PCI_DEVFN(slot, 0), 0, 4) != 0xffffffff;
}

/* The guest lets go of a slot, and the loop does its part. */
static s64 actual(void)
{
    const json_t *a = json_object_get(ask("{\"execute\": \"query-balloon\"}"), "return");

    return json_integer_value(json_object_get(a, "actual"));
}

static void with_balloon(struct machine_config *cfg)
{
    cfg->has_balloon = true;
}

/* Its registers, as a guest without a driver reaches them: `actual` is what it wrote last. */
static void balloon(void)
{
    open_rig();
    CHECK(fails("{\"execute\": \"query-balloon\"}", "DeviceNotActive", "No balloon"));
    qmp_rig_close(&r);
    qmp_rig_open_with(&r, with_balloon);
    ask("{\"execute\": \"qmp_capabilities\"}");
    CHECK_EQ(actual(), 16 * MiB);
    CHECK(json_object_get(ask("{\"execute\": \"balloon\", \"arguments\": {\"value\": 8388608}}"),
                          "return"));
    CHECK_EQ(actual(), 16 * MiB); /* the guest has not done it */
    CHECK_EQ(virtio_balloon_dev(r.machine->virtio->balloon)->config[1], 8);
    CHECK(fails("{\"execute\": \"balloon\", \"arguments\": {\"value\": 0}}", "GenericError",
                "target"));
    virtio_balloon_dev(r.machine->virtio->balloon)->config[5] = 8;
    CHECK_EQ(actual(), 8 * MiB);
    atomic_store(&r.machine->balloon_moved, true);
    json_array_clear(r.sent);
    machine_pause(r.machine, true);
    CHECK(!strcmp(event(0), "BALLOON_CHANGE"));
    qmp_rig_close(&r);
}

static void eject(unsigned slot)
{
    json_array_clear(r.sent);
    pthread_mutex_lock(&r.machine->vm.lock);
    bus_write(&r.machine->vm.pio, PCIHOTPLUG_PORT + PCIHOTPLUG_EJECT, 4, BIT(slot));
    pthread_mutex_unlock(&r.machine->vm.lock);
    r.machine->board->work(r.machine);
}

static bool deleted(const char *id)
{
    const json_t *msg = json_array_get(r.sent, 0), *data = json_object_get(msg, "data");

    return json_array_size(r.sent) == 1 && !strcmp(event(0), "DEVICE_DELETED") &&
           !strcmp(qmp_string(data, "device"), id) && strstr(qmp_string(data, "path"), id);
}

static bool done(const char *text)
{
    const json_t *a = ask(text);

    if (!json_object_get(a, "return"))
        printf("%s: %s\n", text, qmp_string(json_object_get(a, "error"), "desc"));
    return json_object_get(a, "return");
}

static void cards_come_and_go(void)
{
    open_rig();
    CHECK(done(DO("netdev_add", "\"type\": \"none\", \"id\": \"n1\"")));
    CHECK(fails(DO("netdev_add", "\"type\": \"none\", \"id\": \"n1\""), "GenericError", "n1"));
    CHECK(fails(DO("netdev_add", "\"type\": \"none\", \"id\": \"1\""), "GenericError", "no id"));
    CHECK(fails(DO("netdev_add", "\"type\": \"vde,mac\", \"id\": \"n2\""), "GenericError",
                "vde?mac"));
    CHECK(fails(DO("netdev_add", "\"type\": \"none\", \"id\": \"n2\", \"model\": \"e1000\""),
                "GenericError", "belong to the card"));
    CHECK(fails(DO("netdev_add", "\"type\": \"user\", \"id\": \"n2\", \"hostfwd\": "
                                 "[{\"str\": \"tcp:x,y\"}]"),
                "GenericError", "hostfwd: 'tcp:x,y'"));
    CHECK(fails(DO("device_add", "\"driver\": \"e1000\", \"id\": \"c1\", \"netdev\": \"n2\""),
                "GenericError", "no network 'n2'"));
    CHECK(fails(DO("device_add", "\"driver\": \"e1000\", \"id\": \"net0\", \"netdev\": \"n1\""),
                "GenericError", "device 'net0' already"));
    CHECK(fails(DO("device_add", "\"driver\": \"e1000\", \"id\": \"c1\", \"netdev\": \"n1\", "
                                 "\"addr\": \"1\""),
                "GenericError", "slot is taken"));
    CHECK(fails(DO("device_add", "\"driver\": \"e1000\", \"id\": \"c1\", \"netdev\": \"n1\", "
                                 "\"mac\": \"01:00:00:00:00:00\""),
                "GenericError", "multicast"));
    CHECK(fails(DO("device_add", "\"driver\": \"3c509\", \"id\": \"c1\", \"netdev\": \"n1\""),
                "GenericError", "3c509"));
    CHECK(done(DO("device_add", "\"driver\": \"e1000\", \"id\": \"c1\", \"netdev\": \"n1\", "
                                "\"addr\": \"1f.0\"")));
    CHECK(in_slot(31));
    CHECK(fails(DO("netdev_del", "\"id\": \"n1\""), "GenericError", "remove it first"));
    CHECK(fails(DO("device_add", "\"driver\": \"pcnet\", \"id\": \"c2\", \"netdev\": \"n1\""),
                "GenericError", "another card"));
    CHECK(done(DO("set_link", "\"name\": \"n1\", \"up\": false")));
    CHECK(fails(DO("device_del", "\"id\": \"c2\""), "DeviceNotFound", "c2"));
    CHECK(fails(DO("device_del", "\"id\": \"ide0-hd0\""), "GenericError", "nothing can be"));
    CHECK(done(DO("device_del", "\"id\": \"c1\"")));
    CHECK(in_slot(31)); /* asked for, not taken */
    eject(31);
    CHECK(deleted("c1") && !in_slot(31));
    CHECK(done(DO("netdev_del", "\"id\": \"n1\"")));
    CHECK(fails(DO("netdev_del", "\"id\": \"n1\""), "DeviceNotFound", "n1"));
    eject(3); /* a card of the configuration goes as well */
    CHECK(deleted("net0"));
    qmp_rig_close(&r);
}

static void disks_come_and_go(void)
{
    char text[300];
    const json_t *all;

    open_rig();
    unlink(r.disk); /* the machine has it open, and locked */
    qmp_rig_file(r.disk, r.dir, "disk", 2 * MiB);
    CHECK(
        fails(DO("blockdev-add", "\"driver\": \"zip\", \"node-name\": \"d\", \"filename\": \"x\""),
              "GenericError", "zip"));
    CHECK(fails(DO("blockdev-add", "\"driver\": \"raw\", \"node-name\": \"d\""), "GenericError",
                "exactly one"));
    CHECK(fails(DO("blockdev-add", "\"driver\": \"raw\", \"node-name\": \"d\", \"file\": "
                                   "{\"driver\": \"nbd\", \"filename\": \"x\"}"),
                "GenericError", "'file' must have"));
    CHECK(fails(DO("blockdev-add", "\"driver\": \"file\", \"node-name\": \"d\", \"filename\": "
                                   "\"/no/such\""),
                "GenericError", "/no/such"));
    snprintf(text, sizeof(text),
             DO("blockdev-add", "\"driver\": \"raw\", \"node-name\": \"d\", \"file\": "
                                "{\"driver\": \"file\", \"filename\": \"%s\"}"),
             r.disk);
    CHECK(done(text));
    CHECK(fails(DO("device_add", "\"driver\": \"virtio-blk-pci\", \"id\": \"v\", \"drive\": \"e\""),
                "GenericError", "no image 'e'"));
    CHECK(done(DO("device_add", "\"driver\": \"virtio-blk-pci\", \"id\": \"v\", \"drive\": \"d\", "
                                "\"serial\": \"abc\", \"bus\": \"pci.0\"")));
    CHECK(in_slot(4));
    all = json_object_get(ask("{\"execute\": \"query-block\"}"), "return");
    CHECK_EQ(json_array_size(all), 4);
    CHECK(!strcmp(qmp_string(json_array_get(all, 3), "device"), "v"));
    CHECK(fails(DO("blockdev-del", "\"node-name\": \"d\""), "GenericError", "remove it first"));
    CHECK(done(DO("device_del", "\"id\": \"v\"")));
    pthread_mutex_lock(&r.machine->vm.lock);
    board_reset(r.machine); /* a guest that is not there lets go at reset */
    pthread_mutex_unlock(&r.machine->vm.lock);
    json_array_clear(r.sent);
    r.machine->board->work(r.machine);
    CHECK(deleted("v") && !in_slot(4));
    CHECK_EQ(json_array_size(json_object_get(ask("{\"execute\": \"query-block\"}"), "return")), 3);
    CHECK(
        done(DO("device_add", "\"driver\": \"virtio-blk-pci\", \"id\": \"v\", \"drive\": \"d\"")));
    eject(4);
    CHECK(deleted("v"));
    CHECK(done(DO("blockdev-del", "\"node-name\": \"d\"")));
    qmp_rig_close(&r);
}

static void with_buses(struct machine_config *cfg)
{
    cfg->usb[0] = "tablet,bus=xhci";
    cfg->usb[1] = "keyboard";
    cfg->nusbs = 2;
    cfg->cdrom[1] = "none,bus=scsi";
    cfg->ncdroms = 2;
}

static void open_with_buses(void)
{
    qmp_rig_open_with(&r, with_buses);
    CHECK(done("{\"execute\": \"qmp_capabilities\"}"));
}

static bool adds_image(const char *node)
{
    char text[300];

    unlink(r.disk); /* the machine has it open, and locked; so has the one before */
    qmp_rig_file(r.disk, r.dir, "disk", 2 * MiB);
    snprintf(text, sizeof(text),
             DO("blockdev-add", "\"driver\": \"raw\", \"node-name\": \"%s\", \"file\": "
                                "{\"driver\": \"file\", \"filename\": \"%s\"}"),
             node, r.disk);
    return done(text);
}

static size_t drives_there(void)
{
    return json_array_size(json_object_get(ask("{\"execute\": \"query-block\"}"), "return"));
}

static bool deletes(const char *id)
{
    char text[80];
    size_t n;

    snprintf(text, sizeof(text), DO("device_del", "\"id\": \"%s\""), id);
    if (!done(text))
        return false;
    n = json_array_size(r.sent);
    return n == 2 && !strcmp(event(0), "DEVICE_DELETED") &&
           !strcmp(qmp_string(json_object_get(json_array_get(r.sent, 0), "data"), "device"), id);
}

static void scsi_units_come_and_go(void)
{
    open_rig();
    CHECK(fails(DO("device_add", "\"driver\": \"scsi-cd\", \"id\": \"c\""), "GenericError",
                "there is no SCSI adapter"));
    qmp_rig_close(&r);
    open_with_buses();
    CHECK(adds_image("d"));
    CHECK(fails(DO("device_add", "\"driver\": \"scsi-hd\", \"id\": \"h\""), "GenericError",
                "there is no image"));
    CHECK(fails(DO("device_add", "\"driver\": \"scsi-hd\", \"id\": \"h\", \"drive\": \"d\", "
                                 "\"scsi-id\": 0"),
                "GenericError", "target 0 of the SCSI adapter is taken"));
    CHECK(fails(DO("device_add", "\"driver\": \"scsi-hd\", \"id\": \"h\", \"drive\": \"d\", "
                                 "\"scsi-id\": -2"),
                "GenericError", "scsi-id is 0 to 31"));
    CHECK(fails(DO("device_add", "\"driver\": \"scsi-hd\", \"id\": \"h\", \"drive\": \"d\", "
                                 "\"addr\": \"5\""),
                "GenericError", "addr does not go with it"));
    CHECK(done(DO("device_add", "\"driver\": \"scsi-hd\", \"id\": \"h\", \"drive\": \"d\", "
                                "\"bus\": \"scsi0.0\", \"scsi-id\": 7, \"serial\": \"s\"")));
    CHECK(virtio_scsi_unit(r.machine->pc->scsi, 7));
    CHECK(fails(DO("device_add", "\"driver\": \"usb-storage\", \"id\": \"u\", \"drive\": \"d\""),
                "GenericError", "another disk has"));
    CHECK(done(DO("device_add", "\"driver\": \"scsi-cd\", \"id\": \"c\"")));
    CHECK_EQ(drives_there(), 6);
    CHECK(deletes("h") && !virtio_scsi_unit(r.machine->pc->scsi, 7));
    CHECK(deletes("scsi0-cd0")); /* of the configuration */
    CHECK(fails(DO("device_del", "\"id\": \"h\""), "DeviceNotFound", "h"));
    CHECK_EQ(drives_there(), 4);
    CHECK(done(DO("device_add", "\"driver\": \"scsi-cd\", \"id\": \"c2\", \"drive\": \"d\"")));
    CHECK(done(DO("eject", "\"id\": \"c2\""))); /* the image is nobody's then */
    CHECK(done(DO("blockdev-del", "\"node-name\": \"d\"")));
    CHECK(deletes("c2") && deletes("c"));
    qmp_rig_close(&r);
}

static void usb_devices_come_and_go(void)
{
    char text[200], id[8];

    open_rig();
    CHECK(fails(DO("device_add", "\"driver\": \"usb-kbd\", \"id\": \"k\""), "GenericError",
                "there is no USB bus"));
    qmp_rig_close(&r);
    open_with_buses();
    CHECK(adds_image("d"));
    CHECK(done(DO("device_add", "\"driver\": \"usb-storage\", \"id\": \"u\", \"drive\": \"d\"")));
    CHECK(fails(DO("blockdev-del", "\"node-name\": \"d\""), "GenericError", "remove it first"));
    CHECK(fails(DO("device_add", "\"driver\": \"usb-mouse\", \"id\": \"u\""), "GenericError",
                "a device 'u' already"));
    CHECK(fails(DO("device_add", "\"driver\": \"usb-mouse\", \"id\": \"m\", \"bus\": \"pci.0\""),
                "GenericError", "there is no USB bus 'pci.0'"));
    CHECK(fails(DO("device_add", "\"driver\": \"usb-mouse\", \"id\": \"m\", \"drive\": \"d\""),
                "GenericError", "does not go with it"));
    CHECK(done(DO("device_add", "\"driver\": \"usb-mouse\", \"id\": \"m\", "
                                "\"bus\": \"usb-bus.0\"")));
    CHECK(fails(DO("device_add", "\"driver\": \"usb-tablet\", \"id\": \"t\", "
                                 "\"bus\": \"usb-bus.0\""),
                "GenericError", "no USB port is free"));
    CHECK(deletes("usb1") && deletes("m")); /* the keyboard of the configuration */
    CHECK(done(DO("device_add", "\"driver\": \"usb-kbd\", \"id\": \"usb1\"")));
    for (unsigned n = 0; n < 3; n++) {
        snprintf(text, sizeof(text), DO("device_add", "\"driver\": \"usb-kbd\", \"id\": \"k%u\""),
                 n);
        CHECK(done(text)); /* the last one, and then on the other bus */
    }
    CHECK(fails(DO("device_add", "\"driver\": \"usb-kbd\", \"id\": \"k3\""), "GenericError",
                "no USB port is free"));
    ask("{\"execute\": \"send-key\", \"arguments\": {\"keys\": [{\"type\": \"qcode\", "
        "\"data\": \"a\"}]}}");
    for (unsigned n = 0; n < 3; n++) {
        snprintf(id, sizeof(id), "k%u", n);
        CHECK(deletes(id));
    }
    CHECK(deletes("usb0") && deletes("u"));
    CHECK(done(DO("blockdev-del", "\"node-name\": \"d\"")));
    qmp_rig_close(&r);
}

static void keys(void)
{
    static const char send[] = "{\"execute\": \"send-key\", \"arguments\": {\"keys\": "
                               "[{\"type\": \"qcode\", \"data\": \"ctrl\"}, "
                               "{\"type\": \"number\", \"data\": 30}]}}";
    unsigned n = 0;

    open_rig();
    CHECK(json_object_get(ask(send), "return"));
    CHECK_EQ(r.core.keys.len, 3); /* both are down: up, up, a pause */
    CHECK(fails("{\"execute\": \"send-key\", \"arguments\": {\"keys\": [{\"type\": \"qcode\", "
                "\"data\": \"any\"}]}}",
                "GenericError", "'any'"));
    while (json_object_get(ask(send), "return"))
        CHECK(++n < 100);
    CHECK(fails(send, "GenericError", "Too many keys"));
    CHECK(fails("{\"execute\": \"input-send-event\", \"arguments\": {\"events\": [{\"type\": "
                "\"abs\", \"data\": {\"axis\": \"x\", \"value\": 32768}}]}}",
                "GenericError", "out of range"));
    CHECK(json_object_get(
        ask("{\"execute\": \"input-send-event\", \"arguments\": {\"events\": ["
            "{\"type\": \"btn\", \"data\": {\"button\": \"left\", \"down\": true}}, "
            "{\"type\": \"rel\", \"data\": {\"axis\": \"y\", \"value\": -3}}]}}"),
        "return"));
    CHECK_EQ(r.core.buttons, INPUT_LEFT);
    qmp_rig_close(&r);
}

static void human(void)
{
    const char *text;

    open_rig();
    text = qmp_string(ask("{\"execute\": \"human-monitor-command\", \"arguments\": "
                          "{\"command-line\": \"info status\"}}"),
                      "return");
    CHECK(text && strstr(text, "VM status: running"));
    text = qmp_string(ask("{\"execute\": \"human-monitor-command\", \"arguments\": "
                          "{\"command-line\": \" change  ide1-cd0 \\\"/no such\\\" \"}}"),
                      "return");
    CHECK(text && strstr(text, "Error: ") && strstr(text, "/no such"));
    text = qmp_string(ask("{\"execute\": \"human-monitor-command\", \"arguments\": "
                          "{\"command-line\": \"sendkey ctrl-alt-delete 20\"}}"),
                      "return");
    CHECK(text && !*text);
    qmp_rig_close(&r);
}

/* What the last byte of the text comes to. */
static enum qmp_scan_result scan(const char *text, u32 *len)
{
    struct qmp_scan s = {0};
    enum qmp_scan_result result = QMP_NOTHING;

    while (*text)
        result = qmp_scan(&s, (u8)*text++);
    *len = s.len;
    return result;
}

static void ends_of_messages(void)
{
    char deep[64];
    struct qmp_scan s = {0};
    unsigned n = 0;
    u32 len;

    CHECK_EQ(scan(" \r\n{\"a\": {\"}\\\"}\": [1]}}", &len), QMP_COMPLETE);
    CHECK_EQ(len, strlen("{\"a\": {\"}\\\"}\": [1]}}"));
    CHECK_EQ(scan("{\"a\": {}", &len), QMP_MORE);
    CHECK_EQ(scan("x", &len), QMP_NO_JSON);
    CHECK_EQ(scan("x {}", &len), QMP_NOTHING); /* the rest of the line is skipped */
    CHECK_EQ(scan("x\n{}", &len), QMP_COMPLETE);
    CHECK_EQ(scan("{\"a\n", &len), QMP_NO_JSON);
    memset(deep, '[', sizeof(deep));
    deep[0] = '{';
    deep[QMP_DEPTH_MAX] = '\0';
    CHECK_EQ(scan(deep, &len), QMP_MORE);
    deep[QMP_DEPTH_MAX] = '[';
    deep[QMP_DEPTH_MAX + 1] = '\0';
    CHECK_EQ(scan(deep, &len), QMP_TOO_DEEP);
    CHECK_EQ(qmp_scan(&s, '{'), QMP_MORE);
    while (qmp_scan(&s, ' ') == QMP_MORE)
        n++;
    CHECK_EQ(n, QMP_MESSAGE_MAX - 1);
}

int main(void)
{
    TEST_RUN(negotiation);
    TEST_RUN(forms);
    TEST_RUN(drives);
    TEST_RUN(trouble);
    TEST_RUN(resizing);
    TEST_RUN(stopping);
    TEST_RUN(cards_come_and_go);
    TEST_RUN(disks_come_and_go);
    TEST_RUN(scsi_units_come_and_go);
    TEST_RUN(usb_devices_come_and_go);
    TEST_RUN(keys);
    TEST_RUN(human);
    TEST_RUN(ends_of_messages);
    TEST_RUN(balloon);
    return test_result();
}
