/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes the ACPI tables of a machine to files: dump-acpi DIRECTORY NCPUS [no-hpet|pc]. */
#include "fw/acpi.h"
#include "fw/e820.h"
#include "testplatform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int write_table(const char *dir, const struct acpi_tables *t, const struct acpi_table *tab)
{
    char path[4096];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%.4s.dat", dir, tab->sig);
    f = fopen(path, "wb");
    if (!f) {
        perror(path);
        return 1;
    }
    fwrite(t->buf.data + tab->at, 1, tab->len, f);
    return fclose(f) ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct fw_platform plat;
    struct acpi_tables t;
    struct err err;
    int bad = 0;

    if (argc < 3) {
        fprintf(stderr, "usage: dump-acpi DIRECTORY NCPUS [no-hpet|pc]\n");
        return 2;
    }
    plat = test_platform((unsigned)atoi(argv[2]));
    plat.has_hpet = argc < 4 || strcmp(argv[3], "no-hpet") != 0;
    if (argc > 3 && !strcmp(argv[3], "pc")) {
        plat.pci_irqs = 0x0c20;
        plat.hotplug = ~7u;
        plat.has_s3 = true;
    }
    plat.nserial = 4;
    plat.x2apic = true;
    if (acpi_build(&t, &plat, TABLES_BASE, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    for (unsigned i = 0; i < t.n; i++)
        bad |= write_table(argv[1], &t, &t.table[i]);
    acpi_dispose(&t);
    return bad;
}
