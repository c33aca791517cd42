/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DSDT's part of PCI hot-plug (dev/pcihotplug.h): general-purpose event 1 has every slot that
 * has changed looked at (Notify 1) or given up (Notify 3), and a slot's _EJ0 takes its device out.
 */
#include "dev/pcihotplug.h"
#include "fw/aml.h"
#include "fw/dsdt.h"

#include <stdio.h>

#define SLOTS         32u
#define DEVICE_CHECK  1u
#define EJECT_REQUEST 3u

static void slot_name(char name[5], unsigned slot)
{
    snprintf(name, 5, "S%02X_", slot << 3 & 0xff);
}

static void emit_slot(struct buf *b, unsigned slot)
{
    char name[5];
    size_t dev, method;

    slot_name(name, slot);
    dev = aml_device(b, name);
    aml_name_int(b, "_ADR", slot << 16);
    aml_name_int(b, "_SUN", slot);
    method = aml_method(b, "_EJ0", 1);
    aml_op(b, AML_STORE);
    aml_int(b, BIT(slot));
    aml_path(b, "B0EJ");
    aml_end(b, method);
    aml_end(b, dev);
}

/* DVNT (slots, event) */
static void emit_notify(struct buf *b, u32 slots)
{
    size_t method = aml_method(b, "DVNT", 2);

    for (unsigned slot = 0; slot < SLOTS; slot++) {
        char name[5];
        size_t on;
        if (!(slots & BIT(slot)))
            continue;
        slot_name(name, slot);
        on = aml_if(b);
        aml_op(b, AML_AND);
        aml_var(b, AML_ARG0);
        aml_int(b, BIT(slot));
        aml_var(b, AML_NO_TARGET);
        aml_notify(b, name);
        aml_var(b, AML_ARG1);
        aml_end(b, on);
    }
    aml_end(b, method);
}

void dsdt_emit_hotplug(struct buf *b, u32 slots)
{
    static const char *const regs[] = {"PCIU", "PCID", "B0EJ", "PRMV", "BNUM"};
    size_t method;

    aml_io_dwords(b, "PCST", PCIHOTPLUG_PORT, ARRAY_SIZE(regs), regs);
    for (unsigned slot = 0; slot < SLOTS; slot++)
        if (slots & BIT(slot))
            emit_slot(b, slot);
    emit_notify(b, slots);
    method = aml_method(b, "PCNT", 0);
    aml_op(b, AML_STORE);
    aml_int(b, 0);
    aml_path(b, "BNUM");
    aml_path(b, "DVNT");
    aml_path(b, "PCIU");
    aml_int(b, DEVICE_CHECK);
    aml_path(b, "DVNT");
    aml_path(b, "PCID");
    aml_int(b, EJECT_REQUEST);
    aml_end(b, method);
}

void dsdt_emit_hotplug_event(struct buf *b)
{
    size_t gpe = aml_scope(b, "\\_GPE"), method = aml_method(b, "_E01", 0);

    aml_path(b, "\\_SB_.PCI0.PCNT");
    aml_end(b, method);
    aml_end(b, gpe);
}
