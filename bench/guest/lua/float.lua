-- SPDX-License-Identifier: GPL-2.0-or-later
-- Floating point: planets that attract each other, and how far the Mandelbrot set reaches.

local function step(bodies, dt)
    for i, a in ipairs(bodies) do
        for j = i + 1, #bodies do
            local b = bodies[j]
            local dx, dy = b.x - a.x, b.y - a.y
            local d2 = dx * dx + dy * dy + 0.01
            local pull = dt / (d2 * math.sqrt(d2))
            a.vx, a.vy = a.vx + dx * b.m * pull, a.vy + dy * b.m * pull
            b.vx, b.vy = b.vx - dx * a.m * pull, b.vy - dy * a.m * pull
        end
    end
    for _, a in ipairs(bodies) do
        a.x, a.y = a.x + dt * a.vx, a.y + dt * a.vy
    end
end

local function escapes(cx, cy)
    local x, y = 0.0, 0.0
    for i = 1, 50 do
        x, y = x * x - y * y + cx, 2 * x * y + cy
        if x * x + y * y > 4 then
            return i
        end
    end
    return 0
end

return function()
    local bodies = {}
    for i = 1, 5 do
        bodies[i] = {x = math.cos(i), y = math.sin(i * 2), vx = 0.1 * i, vy = 0.3, m = 1 / i}
    end
    for _ = 1, 100 do
        step(bodies, 0.01)
    end
    local sum = bodies[1].x + bodies[5].vy
    for y = -10, 10 do
        for x = -20, 10 do
            sum = sum + escapes(x / 10, y / 10)
        end
    end
    return sum
end
