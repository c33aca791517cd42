/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Debian's Lua, running the scripts that lie beside it. Each returns a function; an operation is
 * one call of it. What it returns the first time is what it must return every time.
 */
#include "work.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

static struct {
    lua_State *state;
    lua_Number result;
    int calls;
} lua;

static void fail(const char *what)
{
    fprintf(stderr, "lua: %s\n", what);
    exit(1);
}

/* The libraries that the scripts use; luaL_openlibs() would draw in the dynamic linker. */
static void open_libraries(lua_State *state)
{
    luaL_requiref(state, LUA_GNAME, luaopen_base, 1);
    luaL_requiref(state, LUA_STRLIBNAME, luaopen_string, 1);
    luaL_requiref(state, LUA_TABLIBNAME, luaopen_table, 1);
    luaL_requiref(state, LUA_MATHLIBNAME, luaopen_math, 1);
    lua_pop(state, 4);
}

static void load(const char *script)
{
    lua.state = luaL_newstate();
    lua.calls = 0;
    if (!lua.state)
        fail("no memory");
    open_libraries(lua.state);
    if (luaL_dofile(lua.state, script))
        fail(lua_tostring(lua.state, -1));
}

static void load_fib(void)
{
    load("fib.lua");
}

static void load_strings(void)
{
    load("strings.lua");
}

static void load_tables(void)
{
    load("tables.lua");
}

static void load_float(void)
{
    load("float.lua");
}

static void run(void)
{
    lua_pushvalue(lua.state, -1);
    if (lua_pcall(lua.state, 0, 1, 0))
        fail(lua_tostring(lua.state, -1));
    lua_Number result = lua_tonumber(lua.state, -1);
    if (lua.calls++ > 0 && result != lua.result)
        fail("a script returned something else than the first time");
    lua.result = result;
    lua_pop(lua.state, 1);
}

static void finish(void)
{
    lua_close(lua.state);
}

int main(void)
{
    static const struct work works[] = {
        {"lua-fib", run, 1, load_fib, finish},
        {"lua-strings", run, 1, load_strings, finish},
        {"lua-tables", run, 1, load_tables, finish},
        {"lua-float", run, 1, load_float, finish},
    };
    work_measure(works, COUNT_OF(works));
    return 0;
}
