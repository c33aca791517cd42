/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is on a "pc" besides: debug console, parallel port, pvpanic, watchdog, sound. */
#include "machine/pc.h"

#include "dev/ac97.h"
#include "dev/debugcon.h"
#include "dev/i6300esb.h"
#include "dev/parallel.h"
#include "dev/pvpanic.h"
#include "ui/wav.h"

#include <errno.h>
#include <string.h>

#define DEBUGCON_PORT 0x402u
#define PARALLEL_PORT 0x378u
#define PARALLEL_IRQ  7u
#define SOUND_RATE    48000u
#define SOUND_WAV     "ac97,wav="

static void debugcon_put(void *opaque, u8 byte)
{
    const struct pc *pc = opaque;

    pc->debugcon_to.write(pc->debugcon_to.opaque, &byte, 1);
}

static bool parallel_put(void *opaque, u8 byte)
{
    const struct pc *pc = opaque;

    pc->parallel_to.write(pc->parallel_to.opaque, &byte, 1);
    return true;
}

static void on_panic(void *opaque, u8 events)
{
    if (events & PVPANIC_PANICKED)
        fprintf(stderr, "domus: the guest says that it has crashed\r\n");
}

static void on_bark(void *opaque)
{
    struct machine *m = opaque;

    fprintf(stderr, "domus: the watchdog has expired: %s\r\n", m->cfg->watchdog);
    if (!strcmp(m->cfg->watchdog, "reset"))
        machine_on_reset(m, 0, true);
    else if (!strcmp(m->cfg->watchdog, "poweroff"))
        machine_on_poweroff(m, 0, true);
}

/* Firmware looks for the debug console by reading it, and is faster without. */
static int init_ports(struct machine *m, const struct machine_host *host)
{
    struct pc *pc = m->pc;
    struct parallel_backend to = {.put = parallel_put, .opaque = pc};
    int rc = pvpanic_new(&pc->pvpanic, &m->vm.pio, PVPANIC_PORT, on_panic, m);

    pc->debugcon_to = host->debugcon;
    pc->parallel_to = host->parallel;
    if (!rc && pc->debugcon_to.write)
        rc = debugcon_new(&pc->debugcon, &m->vm.pio, DEBUGCON_PORT, debugcon_put, pc);
    if (!rc && pc->parallel_to.write)
        rc =
            parallel_new(&pc->parallel, &m->vm.pio, PARALLEL_PORT, board_gsi(m, PARALLEL_IRQ), &to);
    return rc;
}

static int init_watchdog(struct machine *m)
{
    struct i6300esb_config cfg = {.bark = on_bark, .opaque = m};
    u8 devfn;
    int rc;

    if (!m->cfg->watchdog)
        return 0;
    rc = pc_take_slot(m->pc, 0, &devfn);
    return rc ? rc : i6300esb_new(&m->pc->watchdog, m->pci, devfn, m->vm.clock, &cfg);
}

static int init_sound(struct machine *m, struct err *err)
{
    struct pc *pc = m->pc;
    struct sound_out out = {0};
    u8 devfn;
    int rc = 0;

    if (!m->cfg->sound)
        return 0;
    if (!strncmp(m->cfg->sound, SOUND_WAV, strlen(SOUND_WAV)))
        rc = wav_open(&pc->wav, m->cfg->sound + strlen(SOUND_WAV), SOUND_RATE, err);
    if (rc) {
        err_prefix(err, "--sound");
        return rc;
    }
    if (pc->wav)
        out = wav_sound(pc->wav);
    rc = pc_take_slot(pc, 0, &devfn);
    if (!rc)
        rc = ac97_new(&pc->ac97, m->pci, devfn, m->vm.clock, out);
    return rc ? err_set(err, -rc, "--sound: %s", strerror(-rc)) : 0;
}

int pc_misc_init(struct machine *m, const struct machine_host *host, struct err *err)
{
    int rc = init_ports(m, host);

    if (!rc)
        rc = init_watchdog(m);
    if (rc)
        return err_set(err, -rc, "machine: cannot make its devices: %s", strerror(-rc));
    return init_sound(m, err);
}

void pc_misc_reset(struct pc *pc)
{
    pvpanic_reset(pc->pvpanic);
    if (pc->debugcon)
        debugcon_reset(pc->debugcon);
    if (pc->parallel)
        parallel_reset(pc->parallel);
    if (pc->watchdog)
        i6300esb_reset(pc->watchdog);
    if (pc->ac97)
        ac97_reset(pc->ac97);
}

void pc_misc_dispose(struct pc *pc)
{
    ac97_free(pc->ac97);
    i6300esb_free(pc->watchdog);
    parallel_free(pc->parallel);
    debugcon_free(pc->debugcon);
    pvpanic_free(pc->pvpanic);
}

void pc_misc_close(struct pc *pc)
{
    if (pc->wav && wav_close(pc->wav))
        fprintf(stderr, "domus: --sound: the WAV file is not complete\n");
}
