/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/usb_config.h"

#include <errno.h>
#include <string.h>

int usb_parse(struct usb_config *out, const char *text, struct err *err)
{
    static const char *const kinds[] = {
        [USB_TABLET] = "tablet", [USB_MOUSE] = "mouse", [USB_KEYBOARD] = "keyboard"};
    size_t len = strcspn(text, ",");
    unsigned n = 0;

    while (n < ARRAY_SIZE(kinds) && (strlen(kinds[n]) != len || memcmp(kinds[n], text, len) != 0))
        n++;
    if (n == ARRAY_SIZE(kinds))
        return err_set(err, EINVAL, "'%.20s': there are tablet, mouse and keyboard", text);
    *out = (struct usb_config){.kind = (enum usb_kind)n};
    text += len;
    if (!*text || !strcmp(text, ",bus=usb"))
        return 0;
    if (strcmp(text, ",bus=xhci") != 0)
        return err_set(err, EINVAL, "'%.20s': there are bus=usb and bus=xhci", text + 1);
    out->xhci = true;
    return 0;
}
