-- SPDX-License-Identifier: GPL-2.0-or-later
-- Strings: formatting, joining, searching and replacing by patterns, and the garbage that leaves.

return function()
    local lines = {}
    for i = 1, 200 do
        lines[i] = string.format("%05d key%d=%s", i, i % 17, ("v"):rep(i % 11))
    end
    local text = table.concat(lines, "\n")
    local sum = 0
    for number, key, value in text:gmatch("(%d+) (%w+)=(%a*)") do
        sum = sum + tonumber(number) + #key * #value
    end
    local replaced, count = text:upper():gsub("KEY1(%d)", "<%1>")
    for i = 1, #replaced, 7 do
        sum = (sum * 31 + replaced:byte(i)) % 1000003
    end
    return sum + count
end
