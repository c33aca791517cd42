/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scan codes, layouts, and a viewer's keyboard. */
#include "../test.h"
#include "ui/keyboard.h"

static u16 got[64];
static unsigned ngot;

/* Records code, with 8000h for a release. */
static bool on_key(void *opaque, u16 code, bool down)
{
    if (ngot < ARRAY_SIZE(got))
        got[ngot++] = code | (down ? 0 : 0x8000);
    return true;
}

static const struct input_ops ops = {.key = on_key};
static struct input_sink sink = {.ops = &ops, .active = true};

static struct keyboard keyboard_of(struct input *in, const char *layout)
{
    struct keyboard kb;

    *in = (struct input){0};
    input_add(in, &sink);
    keyboard_init(&kb, in, keymap_find(layout));
    ngot = 0;
    return kb;
}

static bool was(unsigned n, const u16 *want)
{
    bool same = n == ngot && !memcmp(want, got, n * sizeof(*want));

    ngot = 0;
    return same;
}
#define WAS(...) was(sizeof((const u16[]){__VA_ARGS__}) / sizeof(u16), (const u16[]){__VA_ARGS__})
#define UP(code) ((code) | 0x8000)

static void scan_codes(void)
{
    u8 out[8];

    CHECK_EQ(key_to_set2(30, true, out), 1);
    CHECK_EQ(out[0], 0x1c);
    CHECK_EQ(key_to_set2(30, false, out), 2);
    CHECK(!memcmp(out, "\xf0\x1c", 2));
    CHECK_EQ(key_to_set2(KEY_CODE_UP, false, out), 3);
    CHECK(!memcmp(out, "\xe0\xf0\x75", 3));
    CHECK_EQ(key_to_set2(KEY_CODE_PAUSE, true, out), 8);
    CHECK_EQ(key_to_set2(KEY_CODE_PAUSE, false, out), 0);
    CHECK_EQ(key_to_set2(KEY_CODE_SYSRQ, false, out), 6);
    CHECK_EQ(key_to_set2(0, true, out), 0);
    CHECK_EQ(key_to_set2(9999, true, out), 0);
    CHECK_EQ(key_to_hid(30), 4);
    CHECK_EQ(key_to_hid(KEY_CODE_F12), 0x45);
    CHECK_EQ(key_to_hid(60000), 0);
    CHECK_EQ(key_from_xt(0x1e), 30);
    CHECK_EQ(key_from_xt(0xc8), KEY_CODE_UP);
    CHECK_EQ(key_from_xt(0x9d), KEY_CODE_RIGHTCTRL);
    CHECK_EQ(key_from_xt(0x7f), KEY_NONE);
}

/* Every key has one set 2 code and one HID usage of its own. */
static void codes_are_unique(void)
{
    for (u16 a = 1; a < KEY_CODES; a++)
        for (u16 b = a + 1; b < KEY_CODES; b++) {
            u8 x[8], y[8];
            size_t n = key_to_set2(a, true, x);
            CHECK(!n || n != key_to_set2(b, true, y) || memcmp(x, y, n));
            CHECK(!key_to_hid(a) || key_to_hid(a) != key_to_hid(b));
        }
}

static void every_layout_types_ascii(void)
{
    struct keymap_key key;
    const char *name;

    CHECK(!keymap_find("xx"));
    for (unsigned i = 0; (name = keymap_name(i)); i++) {
        const struct keymap *map = keymap_find(name);
        CHECK(map != NULL);
        for (u32 ch = 0x20; ch < 0x7f; ch++)
            if (!keymap_lookup(map, ch, &key)) {
                fprintf(stderr, "layout %s has no '%c'\n", name, (char)ch);
                CHECK(false);
            }
        CHECK(keymap_lookup(map, '1', &key) && key.code == 2);
        CHECK(keymap_lookup(map, 0xff0d, &key) && key.code == 28 && !key.is_char);
        CHECK(!keymap_lookup(map, 0x1234567, &key));
    }
    CHECK_EQ(keymap_name(15) != NULL && keymap_name(16) == NULL, 1);
}

static bool maps_to(const char *layout, u32 keysym, u16 code, u8 mods)
{
    struct keymap_key key;

    return keymap_lookup(keymap_find(layout), keysym, &key) && key.code == code && key.mods == mods;
}

static void layouts(void)
{
    CHECK(maps_to("us", '@', 3, KEYMAP_SHIFT));
    CHECK(maps_to("de", '@', 16, KEYMAP_ALTGR));
    CHECK(maps_to("de", 'z', 21, 0));
    CHECK(maps_to("de", 0xe4, 40, 0));
    CHECK(maps_to("de", 0xdf, 12, 0));
    CHECK(maps_to("de", '~', 27, KEYMAP_ALTGR));
    CHECK(maps_to("de", 0xfe52, 41, 0));
    CHECK(maps_to("de", '|', 86, KEYMAP_ALTGR));
    CHECK(maps_to("de", 0x20ac, 18, KEYMAP_ALTGR));
    CHECK(maps_to("fr", 'a', 16, 0));
    CHECK(maps_to("fr", '1', 2, KEYMAP_SHIFT));
    CHECK(maps_to("fr", '@', 11, KEYMAP_ALTGR));
    CHECK(maps_to("fr", 'm', 39, 0));
    CHECK(maps_to("gb", '#', 43, 0));
    CHECK(maps_to("gb", '"', 3, KEYMAP_SHIFT));
    CHECK(maps_to("es", 0xf1, 39, 0));
    CHECK(maps_to("es", '@', 3, KEYMAP_ALTGR));
    CHECK(maps_to("it", '@', 39, KEYMAP_ALTGR));
    CHECK(maps_to("it", '{', 26, KEYMAP_SHIFT | KEYMAP_ALTGR));
    CHECK(maps_to("pt", '@', 3, KEYMAP_ALTGR));
    CHECK(maps_to("se", 0xe5, 26, 0));
    CHECK(maps_to("dk", 0xe6, 39, 0));
    CHECK(maps_to("no", 0xf8, 39, 0));
    CHECK(maps_to("fi", 0xf6, 39, 0));
    CHECK(maps_to("ch", 'y', 44, 0));
    CHECK(maps_to("be", '=', 53, 0));
    CHECK(maps_to("pl", 0x1b1, 30, KEYMAP_ALTGR));
    CHECK(maps_to("pl", 0x1000142, 38, KEYMAP_ALTGR));
    CHECK(maps_to("ru", 0x6c6, 30, 0));            /* ef */
    CHECK(maps_to("ru", 0x6e6, 30, KEYMAP_SHIFT)); /* EF */
    CHECK(maps_to("ru", 0x1000444, 30, 0));        /* the same in Unicode */
    CHECK(maps_to("ru", 'a', 30, 0));              /* by the US layout */
    CHECK(maps_to("jp", '\\', 89, 0));
    CHECK(maps_to("jp", '@', 26, 0));
}

static void modifiers_that_the_layout_needs(void)
{
    struct input in;
    struct keyboard kb = keyboard_of(&in, "de");

    /* A client with a US keyboard types Shift-2 for an @. */
    keyboard_keysym(&kb, 0xffe1, true);
    CHECK(WAS(42));
    keyboard_keysym(&kb, '@', true);
    CHECK(WAS(UP(42), 100, 16, UP(100), 42));
    keyboard_keysym(&kb, '@', false);
    CHECK(WAS(UP(16)));
    keyboard_keysym(&kb, 0xffe1, false);
    CHECK(WAS(UP(42)));
    /* A capital letter without Shift, and one with Caps Lock. */
    keyboard_keysym(&kb, 'A', true);
    CHECK(WAS(42, 30, UP(42)));
    keyboard_keysym(&kb, 'A', false);
    keyboard_keysym(&kb, 0xffe5, true);
    keyboard_keysym(&kb, 0xffe5, false);
    ngot = 0;
    keyboard_keysym(&kb, 'A', true);
    CHECK(WAS(30));
    keyboard_keysym(&kb, 'a', false); /* released under another name */
    CHECK(WAS(UP(30)));
    keyboard_keysym(&kb, 'q', false);
    CHECK_EQ(ngot, 0);
}

static void commands_keep_their_modifiers(void)
{
    struct input in;
    struct keyboard kb = keyboard_of(&in, "us");

    keyboard_keysym(&kb, 0xffe3, true);
    keyboard_keysym(&kb, 'C', true);
    CHECK(WAS(29, 46));
    keyboard_keysym(&kb, 0xffc0, true);
    ngot = 0;
    keyboard_release_all(&kb);
    CHECK(WAS(UP(29), UP(46), UP(61)));
}

int main(void)
{
    TEST_RUN(scan_codes);
    TEST_RUN(codes_are_unique);
    TEST_RUN(every_layout_types_ascii);
    TEST_RUN(layouts);
    TEST_RUN(modifiers_that_the_layout_needs);
    TEST_RUN(commands_keep_their_modifiers);
    return test_result();
}
