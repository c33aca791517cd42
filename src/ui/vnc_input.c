/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys and pointers of VNC clients (RFC 6143, section 7.5), and QEMU's extended key events
 * (community RFB specification, "QEMU Extended Key Event Message"). In the server's thread.
 */
#include "ui/vnc_priv.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define QEMU_MESSAGE      255u
#define QEMU_KEY          0u
#define ENCODING_QEMU_KEY (-258)

#define WHEEL_UP   0x08
#define WHEEL_DOWN 0x10

static struct vnc *vnc_of(const rfbClientRec *cl)
{
    return cl->screen->screenData;
}

static void on_key(rfbBool down, rfbKeySym key, rfbClientPtr cl)
{
    struct vnc_client *c = cl->clientData;
    struct vnc *vnc = vnc_of(cl);

    pthread_mutex_lock(vnc->cfg.lock);
    keyboard_keysym(&c->keyboard, key, down);
    pthread_mutex_unlock(vnc->cfg.lock);
}

static void release_keys(rfbClientPtr cl)
{
    struct vnc_client *c = cl->clientData;
    struct vnc *vnc = vnc_of(cl);

    pthread_mutex_lock(vnc->cfg.lock);
    keyboard_release_all(&c->keyboard);
    pthread_mutex_unlock(vnc->cfg.lock);
}

static u16 scale(int at, u32 size)
{
    u32 pos = at < 0 ? 0 : (u32)at;

    if (pos >= size - 1)
        return INPUT_ABS_MAX;
    return (u16)(pos * (u64)INPUT_ABS_MAX / (size - 1));
}

/* The library clears the flag when it sends the size. */
void vnc_input_keep_size(struct vnc *vnc, rfbClientPtr cl)
{
    struct vnc_client *c = cl->clientData;

    if (c->width && (!c->asked || cl->newFBSizePending))
        return;
    c->width = vnc->width;
    c->height = vnc->height;
}

static void on_pointer(int mask, int x, int y, rfbClientPtr cl)
{
    struct vnc_client *c = cl->clientData;
    struct vnc *vnc = vnc_of(cl);
    int pressed = mask & ~c->buttons;
    unsigned buttons =
        (mask & 1 ? INPUT_LEFT : 0) | (mask & 2 ? INPUT_MIDDLE : 0) | (mask & 4 ? INPUT_RIGHT : 0);
    int wheel = (pressed & WHEEL_DOWN ? 1 : 0) - (pressed & WHEEL_UP ? 1 : 0);

    c->buttons = mask;
    vnc_input_keep_size(vnc, cl);
    pthread_mutex_lock(vnc->cfg.lock);
    input_point(vnc->cfg.input, scale(x, c->width), scale(y, c->height), wheel, buttons);
    pthread_mutex_unlock(vnc->cfg.lock);
}

/* The first one also tells it the size, which may have changed since it connected. */
static void on_request(rfbClientPtr cl, rfbFramebufferUpdateRequestMsg *msg)
{
    struct vnc_client *c = cl->clientData;

    if (!c->asked && cl->useNewFBSize)
        cl->newFBSizePending = TRUE;
    c->asked = true;
}

/* A socket of a file has no name. */
static void name_peer(struct vnc_peer *peer, int fd)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);

    if (getpeername(fd, (struct sockaddr *)&addr, &len) ||
        (addr.ss_family != AF_INET && addr.ss_family != AF_INET6))
        return;
    peer->ipv6 = addr.ss_family == AF_INET6;
    if (getnameinfo((struct sockaddr *)&addr, len, peer->host, sizeof(peer->host), peer->service,
                    sizeof(peer->service), NI_NUMERICHOST | NI_NUMERICSERV))
        *peer = (struct vnc_peer){.host = ""};
}

static void enlist(struct vnc *vnc, struct vnc_client *c)
{
    pthread_mutex_lock(&vnc->peers_lock);
    c->next = vnc->clients;
    vnc->clients = c;
    pthread_mutex_unlock(&vnc->peers_lock);
}

static void delist(struct vnc *vnc, const struct vnc_client *c)
{
    pthread_mutex_lock(&vnc->peers_lock);
    for (struct vnc_client **p = &vnc->clients; *p; p = &(*p)->next)
        if (*p == c) {
            *p = c->next;
            break;
        }
    pthread_mutex_unlock(&vnc->peers_lock);
}

unsigned vnc_peers(struct vnc *vnc, struct vnc_peer peers[VNC_MAX_CLIENTS])
{
    unsigned n = 0;

    pthread_mutex_lock(&vnc->peers_lock);
    for (const struct vnc_client *c = vnc->clients; c && n < VNC_MAX_CLIENTS; c = c->next)
        peers[n++] = c->peer;
    pthread_mutex_unlock(&vnc->peers_lock);
    return n;
}

static void on_gone(rfbClientPtr cl)
{
    struct vnc_client *c = cl->clientData;
    struct vnc *vnc = vnc_of(cl);

    release_keys(cl);
    pthread_mutex_lock(vnc->cfg.lock);
    if (c->buttons & 7)
        input_move(vnc->cfg.input, 0, 0, 0, 0);
    pthread_mutex_unlock(vnc->cfg.lock);
    delist(vnc, c);
    free(c);
    cl->clientData = NULL;
}

static enum rfbNewClientAction on_new(rfbClientPtr cl)
{
    struct vnc_client *c = calloc(1, sizeof(*c));

    if (!c)
        return RFB_CLIENT_REFUSE;
    keyboard_init(&c->keyboard, vnc_of(cl)->cfg.input, vnc_of(cl)->map);
    name_peer(&c->peer, cl->sock);
    enlist(vnc_of(cl), c);
    cl->clientData = c;
    cl->clientGoneHook = on_gone;
    cl->clientFramebufferUpdateRequestHook = on_request;
    return RFB_CLIENT_ACCEPT;
}

static int refuse_files(rfbClientPtr cl)
{
    return FALSE;
}

/* The client would send extended key events: an empty rectangle says that they are understood. */
static rfbBool enable_extension(rfbClientPtr cl, void **data, int encoding)
{
    struct vnc_client *c = cl->clientData;
    rfbFramebufferUpdateMsg msg = {.type = rfbFramebufferUpdate, .nRects = htons(1)};
    rfbFramebufferUpdateRectHeader rect = {
        .r = {0, 0, htons((u16)cl->screen->width), htons((u16)cl->screen->height)},
        .encoding = htonl((u32)ENCODING_QEMU_KEY)};

    if (encoding != ENCODING_QEMU_KEY || !c || c->extended)
        return FALSE;
    c->extended = true;
    return rfbWriteExact(cl, (char *)&msg, sz_rfbFramebufferUpdateMsg) > 0 &&
           rfbWriteExact(cl, (char *)&rect, sz_rfbFramebufferUpdateRectHeader) > 0;
}

static rfbBool on_message(rfbClientPtr cl, void *data, const rfbClientToServerMsg *msg)
{
    struct vnc_client *c = cl->clientData;
    struct vnc *vnc = vnc_of(cl);
    u8 rest[11]; /* subtype, down (2), keysym (4), key code (4), big-endian */
    u16 code;

    if (msg->type != QEMU_MESSAGE || !c)
        return FALSE;
    if (rfbReadExact(cl, (char *)rest, sizeof(rest)) <= 0 || rest[0] != QEMU_KEY) {
        rfbCloseClient(cl);
        return TRUE;
    }
    code = key_from_xt(rest[10]);
    pthread_mutex_lock(vnc->cfg.lock);
    if (code)
        keyboard_code(&c->keyboard, code, rest[2]);
    else
        keyboard_keysym(&c->keyboard,
                        (u32)rest[3] << 24 | (u32)rest[4] << 16 | (u32)rest[5] << 8 | rest[6],
                        rest[2]);
    pthread_mutex_unlock(vnc->cfg.lock);
    return TRUE;
}

static rfbBool on_new_extended(rfbClientPtr cl, void **data)
{
    return FALSE; /* only clients that ask for it */
}

/* libvncserver keeps its extensions for the whole process, and those of other servers are asked
   about our clients too: whichever comes first does the work. */
void vnc_input_init(struct vnc *vnc)
{
    static const int encodings[] = {ENCODING_QEMU_KEY, 0};
    rfbScreenInfoPtr screen = vnc->screen;

    screen->kbdAddEvent = on_key;
    screen->kbdReleaseAllKeys = release_keys;
    screen->ptrAddEvent = on_pointer;
    screen->newClientHook = on_new;
    screen->getFileTransferPermission = refuse_files;
    vnc->extension = calloc(1, sizeof(*vnc->extension));
    if (!vnc->extension)
        return; /* keysyms do as well */
    vnc->extension->newClient = on_new_extended;
    vnc->extension->pseudoEncodings = (int *)(uintptr_t)encodings; /* only read */
    vnc->extension->enablePseudoEncoding = enable_extension;
    vnc->extension->handleMessage = on_message;
    rfbRegisterProtocolExtension(vnc->extension);
}

void vnc_input_dispose(struct vnc *vnc)
{
    if (vnc->extension)
        rfbUnregisterProtocolExtension(vnc->extension);
    free(vnc->extension);
}
