-- SPDX-License-Identifier: GPL-2.0-or-later
-- Tables: as arrays, as hashes and as objects, and a sort with a comparison in Lua.

return function()
    local items, index = {}, {}
    local x = 1
    for i = 1, 500 do
        x = (x * 1664525 + 1013904223) % 4294967296
        local item = {key = x >> 12, name = "n" .. (x % 101)}
        items[i] = item
        index[item.name] = (index[item.name] or 0) + 1
    end
    table.sort(items, function(a, b)
        return a.key < b.key
    end)
    local sum = 0
    for i, item in ipairs(items) do
        sum = (sum + i * (item.key & 0xff) * index[item.name]) % 1000003
    end
    for _, count in pairs(index) do
        sum = sum + count * count
    end
    return sum
end
