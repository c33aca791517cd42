/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network cards of the "pc" board, with iPXE's boot ROMs where those are installed; plugged and
   unplugged also while the machine runs. */
#include "machine/pc.h"

#include "dev/e1000.h"
#include "dev/ne2000.h"
#include "dev/pcihotplug.h"
#include "dev/pcnet.h"
#include "dev/rtl8139.h"
#include "net/backend.h"
#include "net/value.h"
#include "os/file.h"
#include "os/loop.h"
#include "virtio/net.h"
#include "virtio/pci.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROM_MAX MiB

struct card_config {
    u8 mac[6];
    struct mem_window *rom; /* NULL: it boots nothing */
    /* Of a virtio card. */
    pthread_mutex_t *lock;
    struct virtio_rings rings;
    u16 pairs;
};

/* One row for each card: constructors differ by the type of what they make, and nothing else. */
struct nic_model {
    const char *name, *rom;
    bool own_lock; /* it needs the machine's only for its registers */
    int (*make)(void **out, struct pci_bus *bus, u8 devfn, struct clock *clk,
                const struct card_config *cfg);
    void (*reset)(void *card);
    void (*free)(void *card);
    struct net_end *(*end)(void *card);
};

#define NIC_MODEL(type)                                                                            \
    static int type##_make(void **out, struct pci_bus *bus, u8 devfn, struct clock *clk,           \
                           const struct card_config *cfg)                                          \
    {                                                                                              \
        struct type *card = NULL;                                                                  \
        int rc = type##_new(&card, bus, devfn, clk, cfg->mac, cfg->rom);                           \
                                                                                                   \
        *out = card;                                                                               \
        return rc;                                                                                 \
    }                                                                                              \
    static void type##_reset_card(void *card)                                                      \
    {                                                                                              \
        type##_reset(card);                                                                        \
    }                                                                                              \
    static void type##_free_card(void *card)                                                       \
    {                                                                                              \
        type##_free(card);                                                                         \
    }                                                                                              \
    static struct net_end *type##_end(void *card)                                                  \
    {                                                                                              \
        return type##_net_end(card);                                                               \
    }

NIC_MODEL(e1000)
NIC_MODEL(rtl8139)
NIC_MODEL(ne2000)
NIC_MODEL(pcnet)

/* A device and its transport, instead of a chip. */
struct virtio_nic {
    struct virtio_net *net;
    struct virtio_pci *pci;
};

static void virtio_free_card(void *card)
{
    struct virtio_nic *nic = card;

    virtio_pci_free(nic->pci);
    virtio_net_free(nic->net);
    free(nic);
}

static int virtio_make(void **out, struct pci_bus *bus, u8 devfn, struct clock *clk,
                       const struct card_config *card)
{
    struct virtio_net_config cfg = {.lock = card->lock, .rings = card->rings, .pairs = card->pairs};
    struct virtio_pci_config pci = {.rom = card->rom};
    struct virtio_nic *nic = calloc(1, sizeof(*nic));
    int rc;

    if (!nic)
        return -ENOMEM;
    memcpy(cfg.mac, card->mac, 6);
    rc = virtio_net_new(&nic->net, pci_bus_mem(bus), clk, &cfg);
    if (!rc)
        rc = virtio_pci_new(&nic->pci, bus, devfn, virtio_net_dev(nic->net), &pci);
    if (rc)
        virtio_free_card(nic);
    else
        *out = nic;
    return rc;
}

static void virtio_reset_card(void *card)
{
    virtio_pci_reset(((struct virtio_nic *)card)->pci);
}

static struct net_end *virtio_end(void *card)
{
    return virtio_net_end(((struct virtio_nic *)card)->net);
}

#define ROM_DIR "/usr/lib/ipxe/qemu/"

static const struct nic_model models[] = {
    {"e1000", ROM_DIR "pxe-e1000.rom", false, e1000_make, e1000_reset_card, e1000_free_card,
     e1000_end},
    {"rtl8139", ROM_DIR "pxe-rtl8139.rom", false, rtl8139_make, rtl8139_reset_card,
     rtl8139_free_card, rtl8139_end},
    {"ne2k_pci", ROM_DIR "pxe-ne2k_pci.rom", false, ne2000_make, ne2000_reset_card,
     ne2000_free_card, ne2000_end},
    {"pcnet", ROM_DIR "pxe-pcnet.rom", false, pcnet_make, pcnet_reset_card, pcnet_free_card,
     pcnet_end},
    {"virtio", ROM_DIR "pxe-virtio.rom", true, virtio_make, virtio_reset_card, virtio_free_card,
     virtio_end},
};

static const struct nic_model *find_model(const char *name)
{
    for (size_t n = 0; n < ARRAY_SIZE(models); n++)
        if (!*name || !strcmp(name, models[n].name))
            return &models[n];
    return NULL;
}

static u64 power_of_two(u64 size)
{
    u64 p = PAGE_SIZE;

    while (p < size)
        p *= 2;
    return p;
}

/* NULL where it is not installed: the card then boots nothing. */
static int load_rom(struct mem_window **out, struct mem *mem, const char *path, struct err *err)
{
    u8 *data = NULL;
    size_t size = 0;
    int rc;

    *out = NULL;
    if (access(path, F_OK) < 0)
        return 0;
    rc = file_read_all(path, &data, &size, ROM_MAX, err);
    if (!rc && mem_window_new(out, mem, power_of_two(size), true))
        rc = err_set(err, ENOSPC, "%s: no room for it", path);
    if (!rc)
        memcpy(mem_window_host(*out), data, size);
    free(data);
    return rc;
}

static int make_card(struct machine *m, struct pc_nic *nic, unsigned slot,
                     const struct card_config *cfg, struct err *err)
{
    int rc = pc_take_slot(m->pc, slot, &nic->devfn);

    if (rc)
        return err_set(err, -rc, "%s: %s", nic->model->name,
                       rc == -EBUSY ? "its PCI slot is taken" : "no PCI slot is left");
    rc = nic->model->make(&nic->card, m->pci, nic->devfn, m->vm.clock, cfg);
    if (!rc)
        return 0;
    nic->card = NULL;
    pc_free_slot(m->pc, nic->devfn);
    return err_set(err, -rc, "%s: %s", nic->model->name, strerror(-rc));
}

/* Reads what the user wants, and finds the card's model. */
static int parse_nic(struct pc_nic *nic, const char *text, struct net_config *cfg, struct err *err)
{
    int rc = net_parse(cfg, text, err);

    if (rc)
        return rc;
    nic->model = find_model(cfg->model);
    if (!nic->model)
        return err_set(err, EINVAL,
                       "no card '%s'; there are e1000, rtl8139, ne2k_pci, pcnet and virtio",
                       cfg->model);
    if (!nic->model->own_lock &&
        (cfg->packed || cfg->no_event_idx || cfg->no_indirect || cfg->queues))
        return err_set(err, EINVAL,
                       "packed=, event_idx=, indirect_desc= and queues= go with model=virtio");
    pthread_mutex_init(&nic->own_lock, NULL);
    nic->lock = nic->model->own_lock ? &nic->own_lock : NULL;
    return 0;
}

/* For the n-th card where nobody has chosen. */
static void default_mac(unsigned n, u8 mac[6])
{
    const u8 ours[6] = {0x52, 0x54, 0x00, 0x12, 0x34, (u8)(0x56 + n)};

    memcpy(mac, ours, sizeof(ours));
}

/* The card's end of its cable, whose lock is then held, after the machine's. */
static struct net_end *take_end(struct pc_nic *nic)
{
    if (nic->lock)
        pthread_mutex_lock(nic->lock);
    return nic->model->end(nic->card);
}

static void release_end(struct pc_nic *nic)
{
    if (nic->lock)
        pthread_mutex_unlock(nic->lock);
}

/* Machine's lock held. */
static void connect_nic(struct pc_nic *nic)
{
    struct net_end *end = take_end(nic);

    if (net_backend_end(nic->backend))
        net_plug(end, net_backend_end(nic->backend));
    release_end(nic);
}

static struct virtio_rings rings_of(const struct net_config *cfg)
{
    return (struct virtio_rings){
        .packed = cfg->packed, .no_event_idx = cfg->no_event_idx, .no_indirect = cfg->no_indirect};
}

static int init_nic(struct machine *m, unsigned n, struct err *err)
{
    struct pc_nic *nic = &m->pc->nic[n];
    struct net_config cfg;
    struct card_config card;
    int rc = parse_nic(nic, m->cfg->net[n], &cfg, err);

    if (rc)
        return rc;
    card =
        (struct card_config){.lock = nic->lock, .rings = rings_of(&cfg), .pairs = (u16)cfg.queues};
    default_mac(n, card.mac);
    if (cfg.has_mac)
        memcpy(card.mac, cfg.mac, 6);
    rc = load_rom(&card.rom, m->vm.mem, nic->model->rom, err);
    if (!rc)
        rc = make_card(m, nic, 0, &card, err);
    if (rc)
        return rc;
    snprintf(nic->id, sizeof(nic->id), "net%u", n);
    snprintf(nic->boot, sizeof(nic->boot), "/pci@i0cf8/ethernet@%x/ethernet-phy@0",
             nic->devfn >> 3);
    rc = net_open(&nic->backend, &cfg, m->loop, m->vm.clock, nic->lock ? nic->lock : &m->vm.lock,
                  err);
    if (rc)
        return rc;
    pthread_mutex_lock(&m->vm.lock);
    connect_nic(nic);
    pthread_mutex_unlock(&m->vm.lock);
    return 0;
}

/* Makes the card in the running machine and tells the guest. */
static int plug_card(struct machine *m, struct pc_nic *nic, unsigned slot,
                     const struct card_config *card, struct err *err)
{
    int rc = make_card(m, nic, slot, card, err);

    if (rc)
        return rc;
    nic->model->reset(nic->card);
    connect_nic(nic);
    net_hold(nic->model->end(nic->card), machine_is_paused(m));
    pcihotplug_plugged(m->pc->hotplug, nic->devfn >> 3);
    return 0;
}

int pc_nics_plug(struct machine *m, const char *model, struct pc_net *net,
                 const struct plug_config *cfg, struct err *err)
{
    struct pc_nic *nic = NULL, made = {.model = find_model(model)};
    struct card_config card = {.rom = NULL};
    unsigned n;
    int rc = 0;

    for (n = 0; n < ARRAY_SIZE(m->pc->nic) && m->pc->nic[n].id[0]; n++)
        ;
    if (n == ARRAY_SIZE(m->pc->nic))
        return err_set(err, ENOSPC, "there are %u network cards already", MACHINE_MAX_NICS);
    default_mac(n, card.mac);
    if (cfg->mac)
        rc = value_mac(card.mac, cfg->mac, err);
    if (rc)
        return rc;
    nic = &m->pc->nic[n];
    made.net = net;
    made.backend = net->backend;
    snprintf(made.id, sizeof(made.id), "%s", cfg->id);
    pthread_mutex_lock(&m->vm.lock);
    *nic = made;
    rc = plug_card(m, nic, cfg->slot, &card, err);
    if (rc)
        *nic = (struct pc_nic){.id = ""};
    else
        net->used = true;
    pthread_mutex_unlock(&m->vm.lock);
    return rc;
}

bool pc_nics_eject(struct pc *pc, unsigned slot)
{
    for (unsigned n = 0; n < ARRAY_SIZE(pc->nic); n++) {
        struct pc_nic *nic = &pc->nic[n];
        if (!nic->card || nic->devfn >> 3 != slot)
            continue;
        net_unplug(take_end(nic));
        release_end(nic);
        nic->model->free(nic->card);
        nic->card = NULL;
        nic->gone = true;
        pc_free_slot(pc, nic->devfn);
        return true;
    }
    return false;
}

void pc_nics_work(struct machine *m)
{
    for (unsigned n = 0; n < ARRAY_SIZE(m->pc->nic); n++) {
        struct pc_nic *nic = &m->pc->nic[n], left = {.gone = false};
        pthread_mutex_lock(&m->vm.lock);
        if (nic->gone)
            left = *nic;
        pthread_mutex_unlock(&m->vm.lock);
        if (!left.gone)
            continue;
        if (left.net)
            left.net->used = false;
        else
            net_close(left.backend);
        machine_tell(m, MACHINE_UNPLUGGED, n, true);
        pthread_mutex_lock(&m->vm.lock);
        *nic = (struct pc_nic){.id = ""};
        pthread_mutex_unlock(&m->vm.lock);
    }
}

int pc_nics_init(struct machine *m, struct err *err)
{
    for (unsigned n = 0; n < m->cfg->nnets; n++) {
        int rc = init_nic(m, n, err);
        if (rc) {
            err_prefix(err, "--net");
            return rc;
        }
    }
    return 0;
}

void pc_nics_reset(struct pc *pc)
{
    for (unsigned n = 0; n < ARRAY_SIZE(pc->nic); n++)
        if (pc->nic[n].card)
            pc->nic[n].model->reset(pc->nic[n].card);
}

void pc_nics_hold(struct machine *m, bool on)
{
    for (unsigned n = 0; m->pc && n < ARRAY_SIZE(m->pc->nic); n++) {
        struct pc_nic *nic = &m->pc->nic[n];
        if (!nic->card)
            continue;
        net_hold(take_end(nic), on);
        release_end(nic);
    }
}

static bool is_called(const struct pc_nic *nic, const char *name)
{
    return !strcmp(nic->id, name) || (nic->net && !strcmp(nic->net->id, name));
}

int machine_set_link(struct machine *m, const char *name, bool up)
{
    int rc = -ENOENT;

    pthread_mutex_lock(&m->vm.lock);
    for (unsigned n = 0; m->pc && n < ARRAY_SIZE(m->pc->nic); n++)
        if (m->pc->nic[n].card && is_called(&m->pc->nic[n], name)) {
            net_set_link(take_end(&m->pc->nic[n]), up);
            release_end(&m->pc->nic[n]);
            rc = 0;
        }
    pthread_mutex_unlock(&m->vm.lock);
    return rc;
}

void pc_nics_close(struct pc *pc)
{
    for (unsigned n = 0; n < ARRAY_SIZE(pc->nic); n++)
        if (!pc->nic[n].net)
            net_close(pc->nic[n].backend);
}

void pc_nics_dispose(struct pc *pc)
{
    for (unsigned n = 0; n < ARRAY_SIZE(pc->nic); n++)
        if (pc->nic[n].card)
            pc->nic[n].model->free(pc->nic[n].card);
}
