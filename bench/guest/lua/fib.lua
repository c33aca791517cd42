-- SPDX-License-Identifier: GPL-2.0-or-later
-- Function calls: Fibonacci numbers by their definition.

local function fib(n)
    if n < 2 then
        return n
    end
    return fib(n - 1) + fib(n - 2)
end

return function()
    return fib(20)
end
