/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The layouts as strings of what each key gives, key by key in the order of `places`: alone, with
 * Shift, with AltGr, with both. A space is no character. Combining accents are dead keys.
 */
#include "ui/keymap.h"

#include <string.h>
#include <uchar.h>

#define ROW_E 13u
#define ROW_D 12u
#define ROW_C 12u
#define ROW_B 11u
#define KEYS  (ROW_E + ROW_D + ROW_C + ROW_B)

#define GRAVE      u"\u0300"
#define ACUTE      u"\u0301"
#define CIRCUMFLEX u"\u0302"
#define TILDE      u"\u0303"
#define DIAERESIS  u"\u0308"

/* ` 1 … = | q … ] | a … ' \ | the key beside left Shift, z … / by their US names */
static const u8 places[KEYS] = {41, 2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 16, 17, 18,
                                19, 20, 21, 22, 23, 24, 25, 26, 27, 30, 31, 32, 33, 34, 35, 36,
                                37, 38, 39, 40, 43, 86, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53};

struct keymap {
    const char *name;
    char16_t level[4][KEYS]; /* by KEYMAP_* held */
};

#define NO_E u"             "
#define NO_D u"            "
#define NO_C u"            "
#define NO_B u"           "

/* clang-format off */
static const struct keymap layouts[] = {
    {"be", {u"²&é\"'(§è!çà)-" u"azertyuiop" CIRCUMFLEX u"$" u"qsdfghjklmùµ" u"<wxcvbn,;:=",
            u"³1234567890°_" u"AZERTYUIOP" DIAERESIS u"*" u"QSDFGHJKLM%£" u">WXCVBN?./+",
            u" |@#  ^  {}  " u"  €       []" u"          " ACUTE u"`" u"\\         " TILDE}},
    {"ch", {u"§1234567890'" CIRCUMFLEX u"qwertzuiopü" DIAERESIS u"asdfghjklöä$" u"<yxcvbnm,.-",
            u"°+\"*ç%&/()=?" GRAVE u"QWERTZUIOPè!" u"ASDFGHJKLéà£" u">YXCVBNM;:_",
            u" ¦@#  ¬|¢  " ACUTE TILDE u"  €       []" u"          {}" u"\\          "}},
    {"de", {CIRCUMFLEX u"1234567890ß" ACUTE u"qwertzuiopü+" u"asdfghjklöä#" u"<yxcvbnm,.-",
            u"°!\"§$%&/()=?" GRAVE u"QWERTZUIOPÜ*" u"ASDFGHJKLÖÄ'" u">YXCVBNM;:_",
            u"  ²³   {[]}\\ " u"@ €        ~" NO_C u"|      µ   "}},
    {"dk", {u"½1234567890+" ACUTE u"qwertyuiopå" DIAERESIS u"asdfghjklæø'" u"<zxcvbnm,.-",
            u"§!\"#¤%&/()=?" GRAVE u"QWERTYUIOPÅ" CIRCUMFLEX u"ASDFGHJKLÆØ*" u">ZXCVBNM;:_",
            u"  @£$€ {[]} |" u"  €        " TILDE NO_C u"\\      µ   "}},
    {"es", {u"º1234567890'¡" u"qwertyuiop" GRAVE u"+" u"asdfghjklñ" ACUTE u"ç" u"<zxcvbnm,.-",
            u"ª!\"·$%&/()=?¿" u"QWERTYUIOP" CIRCUMFLEX u"*" u"ASDFGHJKLÑ" DIAERESIS u"Ç" u">ZXCVBNM;:_",
            u"\\|@#~ ¬      " u"  €       []" u"          {}" NO_B}},
    {"fi", {u"§1234567890+" ACUTE u"qwertyuiopå" DIAERESIS u"asdfghjklöä'" u"<zxcvbnm,.-",
            u"½!\"#¤%&/()=?" GRAVE u"QWERTYUIOPÅ" CIRCUMFLEX u"ASDFGHJKLÖÄ*" u">ZXCVBNM;:_",
            u"  @£$€ {[]}\\ " u"  €        " TILDE NO_C u"|      µ   "}},
    {"fr", {u"²&é\"'(-è_çà)=" u"azertyuiop" CIRCUMFLEX u"$" u"qsdfghjklmù*" u"<wxcvbn,;:!",
            u" 1234567890°+" u"AZERTYUIOP" DIAERESIS u"£" u"QSDFGHJKLM%µ" u">WXCVBN?./§",
            u"  ~#{[|`\\^@]}" u"  €        ¤" NO_C NO_B}},
    {"gb", {u"`1234567890-=" u"qwertyuiop[]" u"asdfghjkl;'#" u"\\zxcvbnm,./",
            u"¬!\"£$%^&*()_+" u"QWERTYUIOP{}" u"ASDFGHJKL:@~" u"|ZXCVBNM<>?",
            u"¦   €        " u"  é   úíó   " u"á           " NO_B,
            NO_E u"  É   ÚÍÓ   " u"Á           " NO_B}},
    {"it", {u"\\1234567890'ì" u"qwertyuiopè+" u"asdfghjklòàù" u"<zxcvbnm,.-",
            u"|!\"£$%&/()=?^" u"QWERTYUIOPé*" u"ASDFGHJKLç°§" u">ZXCVBNM;:_",
            u"           `~" u"  €       []" u"         @# " NO_B,
            NO_E u"          {}" NO_C NO_B}},
    {"jp", {u" 1234567890-^" u"qwertyuiop@[" u"asdfghjkl;:]" u" zxcvbnm,./",
            u" !\"#$%&'() =~" u"QWERTYUIOP`{" u"ASDFGHJKL+*}" u" ZXCVBNM<>?"}},
    {"no", {u"|1234567890+\\" u"qwertyuiopå" DIAERESIS u"asdfghjkløæ'" u"<zxcvbnm,.-",
            u"§!\"#¤%&/()=?" GRAVE u"QWERTYUIOPÅ" CIRCUMFLEX u"ASDFGHJKLØÆ*" u">ZXCVBNM;:_",
            u"  @£$€ {[]} " ACUTE u"  €        " TILDE NO_C u"       µ   "}},
    {"pl", {u"`1234567890-=" u"qwertyuiop[]" u"asdfghjkl;'\\" u"<zxcvbnm,./",
            u"~!@#$%^&*()_+" u"QWERTYUIOP{}" u"ASDFGHJKL:\"|" u">ZXCVBNM<>?",
            NO_E u"  ę   € ó   " u"ąś      ł   " u" żźć  ń    ",
            NO_E u"  Ę     Ó   " u"ĄŚ      Ł   " u" ŻŹĆ  Ń    "}},
    {"pt", {u"\\1234567890'«" u"qwertyuiop+" ACUTE u"asdfghjklçº" TILDE u"<zxcvbnm,.-",
            u"|!\"#$%&/()=?»" u"QWERTYUIOP*" GRAVE u"ASDFGHJKLÇª" CIRCUMFLEX u">ZXCVBNM;:_",
            u"  @£§  {[]}  " u"  €       " DIAERESIS u" " NO_C NO_B}},
    {"ru", {u"ё1234567890-=" u"йцукенгшщзхъ" u"фывапролджэ\\" u"/ячсмитьбю.",
            u"Ё!\"№;%:?*()_+" u"ЙЦУКЕНГШЩЗХЪ" u"ФЫВАПРОЛДЖЭ/" u"|ЯЧСМИТЬБЮ,"}},
    {"se", {u"§1234567890+" ACUTE u"qwertyuiopå" DIAERESIS u"asdfghjklöä'" u"<zxcvbnm,.-",
            u"½!\"#¤%&/()=?" GRAVE u"QWERTYUIOPÅ" CIRCUMFLEX u"ASDFGHJKLÖÄ*" u">ZXCVBNM;:_",
            u"  @£$€ {[]}\\ " u"  €        " TILDE NO_C u"|      µ   "}},
    {"us", {u"`1234567890-=" u"qwertyuiop[]" u"asdfghjkl;'\\" u"<zxcvbnm,./",
            u"~!@#$%^&*()_+" u"QWERTYUIOP{}" u"ASDFGHJKL:\"|" u">ZXCVBNM<>?"}},
};
/* clang-format on */

/* Japanese keyboards have two keys more. */
static const struct {
    char16_t ch;
    u8 code, mods;
} jp_more[] = {{u'\\', 89, 0}, {u'_', 89, KEYMAP_SHIFT}, {u'¥', 124, 0}, {u'|', 124, KEYMAP_SHIFT}};

struct named {
    u32 keysym;
    u8 code;
};

/* Keys that are not characters (X11's keysymdef.h); keypad keys under both of their meanings. */
static const struct named named_keys[] = {
    {0xff08, 14},      {0xff09, 15},      {0xff0d, 28},      {0xff13, 119},     {0xff14, 70},
    {0xff15, 99},      {0xff1b, 1},       {0xff21, 94},      {0xff22, 94},      {0xff23, 92},
    {0xff27, 93},      {0xff2a, 85},      {0xff50, 102},     {0xff51, 105},     {0xff52, 103},
    {0xff53, 106},     {0xff54, 108},     {0xff55, 104},     {0xff56, 109},     {0xff57, 107},
    {0xff61, 99},      {0xff63, 110},     {0xff67, 127},     {0xff6b, 119},     {0xff7e, 100},
    {0xff7f, 69},      {0xff8d, 96},      {0xff95, 71},      {0xff96, 75},      {0xff97, 72},
    {0xff98, 77},      {0xff99, 80},      {0xff9a, 73},      {0xff9b, 81},      {0xff9c, 79},
    {0xff9d, 76},      {0xff9e, 82},      {0xff9f, 83},      {0xffaa, 55},      {0xffab, 78},
    {0xffac, 83},      {0xffad, 74},      {0xffae, 83},      {0xffaf, 98},      {0xffb0, 82},
    {0xffb1, 79},      {0xffb2, 80},      {0xffb3, 81},      {0xffb4, 75},      {0xffb5, 76},
    {0xffb6, 77},      {0xffb7, 71},      {0xffb8, 72},      {0xffb9, 73},      {0xffbd, 117},
    {0xffe1, 42},      {0xffe2, 54},      {0xffe3, 29},      {0xffe4, 97},      {0xffe5, 58},
    {0xffe7, 125},     {0xffe8, 126},     {0xffe9, 56},      {0xffea, 100},     {0xffeb, 125},
    {0xffec, 126},     {0xffff, 111},     {0xfe03, 100},     {0xfe20, 15},      {0x0020, 57},
    {0x00a0, 57},      {0x1008ff11, 114}, {0x1008ff12, 113}, {0x1008ff13, 115}, {0x1008ff14, 164},
    {0x1008ff15, 166}, {0x1008ff16, 165}, {0x1008ff17, 163}, {0x1008ff18, 172}, {0x1008ff19, 155},
    {0x1008ff1b, 217}, {0x1008ff1d, 140}, {0x1008ff26, 158}, {0x1008ff27, 159}, {0x1008ff28, 128},
    {0x1008ff29, 173}, {0x1008ff2a, 116}, {0x1008ff2f, 142}, {0x1008ff30, 156}, {0x1008ff33, 157},
};

/* Keysyms older than Unicode: Latin 2, and the Cyrillic ones that are not in KOI8-R's order. */
static const struct {
    u16 keysym;
    char16_t ch;
} legacy[] = {
    {0x1a1, u'Ą'}, {0x1b1, u'ą'}, {0x1a3, u'Ł'}, {0x1b3, u'ł'}, {0x1a6, u'Ś'},
    {0x1b6, u'ś'}, {0x1ac, u'Ź'}, {0x1bc, u'ź'}, {0x1af, u'Ż'}, {0x1bf, u'ż'},
    {0x1c6, u'Ć'}, {0x1e6, u'ć'}, {0x1ca, u'Ę'}, {0x1ea, u'ę'}, {0x1d1, u'Ń'},
    {0x1f1, u'ń'}, {0x6a3, u'ё'}, {0x6b3, u'Ё'}, {0x6b0, u'№'},
};

/* Keysyms 6C0h-6DFh; the capitals follow in the same order. */
static const char16_t koi8[] = u"юабцдефгхийклмнопярстужвьызшэщчъ";

static const struct {
    u16 keysym;
    char16_t combining, spacing;
} dead[] = {
    {0xfe50, 0x300, u'`'}, {0xfe51, 0x301, u'´'}, {0xfe52, 0x302, u'^'},
    {0xfe53, 0x303, u'~'}, {0xfe57, 0x308, u'¨'},
};

const struct keymap *keymap_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(layouts); i++)
        if (!strcmp(layouts[i].name, name))
            return &layouts[i];
    return NULL;
}

const char *keymap_name(unsigned n)
{
    return n < ARRAY_SIZE(layouts) ? layouts[n].name : NULL;
}

u32 keysym_from_unicode(u32 ch)
{
    return ch < 0x100 ? ch : 0x1000000 | ch;
}

/* The character that a keysym stands for, or 0. */
static u32 to_unicode(u32 keysym)
{
    if ((keysym >= 0x21 && keysym <= 0x7e) || (keysym >= 0xa1 && keysym <= 0xff))
        return keysym;
    if (keysym >= 0x1000100 && keysym <= 0x110ffff)
        return keysym & 0xffffff;
    if (keysym >= 0x6c0 && keysym <= 0x6df)
        return koi8[keysym - 0x6c0];
    if (keysym >= 0x6e0 && keysym <= 0x6ff)
        return koi8[keysym - 0x6e0] - 0x20u;
    if (keysym == 0x20ac)
        return keysym; /* the euro sign */
    for (size_t i = 0; i < ARRAY_SIZE(legacy); i++)
        if (legacy[i].keysym == keysym)
            return legacy[i].ch;
    for (size_t i = 0; i < ARRAY_SIZE(dead); i++)
        if (dead[i].keysym == keysym)
            return dead[i].combining;
    return 0;
}

/* Where on the layout a character is: its key's place, or KEYS. */
static unsigned place_of(const char16_t *level, u32 ch)
{
    unsigned i = 0;

    while (i < KEYS && level[i] != ch)
        i++;
    return i;
}

/* Both levels of the key are one letter, small and capital. */
static bool is_letter(const struct keymap *map, unsigned place)
{
    u32 small = map->level[0][place], capital = map->level[KEYMAP_SHIFT][place];

    if (small == u'ё')
        return true;
    return small != capital && ((small >= 'a' && small <= 'z') || small >= 0xdf) &&
           (small - capital == 0x20 || (small == u'я' && capital == u'Я'));
}

static bool find_char(const struct keymap *map, u32 ch, struct keymap_key *out)
{
    if (!strcmp(map->name, "jp"))
        for (size_t i = 0; i < ARRAY_SIZE(jp_more); i++)
            if (jp_more[i].ch == ch) {
                *out = (struct keymap_key){jp_more[i].code, jp_more[i].mods, true, false};
                return true;
            }
    for (u8 mods = 0; mods < ARRAY_SIZE(map->level); mods++) {
        unsigned place = place_of(map->level[mods], ch);
        if (place == KEYS)
            continue;
        *out = (struct keymap_key){places[place], mods, true, false};
        out->is_letter = !(mods & KEYMAP_ALTGR) && is_letter(map, place);
        return true;
    }
    return false;
}

static bool find_accent(const struct keymap *map, u32 ch, struct keymap_key *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(dead); i++)
        if (dead[i].spacing == ch)
            return find_char(map, dead[i].combining, out);
        else if (dead[i].combining == ch)
            return find_char(map, dead[i].spacing, out);
    return false;
}

static bool find_named(u32 keysym, struct keymap_key *out)
{
    u8 code = 0;

    for (size_t i = 0; i < ARRAY_SIZE(named_keys) && !code; i++)
        if (named_keys[i].keysym == keysym)
            code = named_keys[i].code;
    if (keysym >= 0xffbe && keysym <= 0xffc7) /* F1-F10 */
        code = (u8)(keysym - 0xffbe + KEY_CODE_F1);
    else if (keysym == 0xffc8 || keysym == 0xffc9)
        code = (u8)(keysym - 0xffc8 + KEY_CODE_F11);
    else if (keysym >= 0xffca && keysym <= 0xffd5) /* F13-F24 */
        code = (u8)(keysym - 0xffca + 183);
    *out = (struct keymap_key){.code = code};
    return code;
}

bool keymap_lookup(const struct keymap *map, u32 keysym, struct keymap_key *out)
{
    u32 ch = to_unicode(keysym);

    if (find_named(keysym, out))
        return true;
    return ch && (find_char(map, ch, out) || find_accent(map, ch, out) ||
                  find_char(keymap_find("us"), ch, out));
}
