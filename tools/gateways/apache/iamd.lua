-- iamd.lua - access checker for mod_lua: asks iamd whether the request may pass.
--
-- Only what is written here reaches iamd: the token, and what it needs to send a browser to the login
-- page. Whatever goes wrong is an answer other than OK: nothing passes that iamd did not allow.

local socket = require "socket"

local HOST, PORT = "127.0.0.1", 8101    -- <- iamd
local TIMEOUT_S = 3
local LONGEST_ANSWER = 65536

local PASSED_ON = { "Authorization", "Cookie", "Accept", "Sec-Fetch-Mode" }
local TOLD_BACK = { "X-Iam-User", "X-Iam-Groups", "X-Iam-Groups-Omitted", "X-Iam-Revision" }

local IS_OURS = { ["x-forwarded-method"] = true, ["x-forwarded-uri"] = true }
local MAY_BE_NAMED = { ["close"] = true, ["keep-alive"] = true, ["upgrade"] = true }

local connection    -- kept by this thread's Lua state

local function connect()
    local c = socket.tcp()
    c:settimeout(1)
    if not c:connect(HOST, PORT) then
        c:close()
        return nil
    end
    c:setoption("tcp-nodelay", true)
    c:settimeout(TIMEOUT_S)
    return c
end

local function forget()
    if connection then
        connection:close()
        connection = nil
    end
end

-- The status and headers (names in lower case) of the next answer; nil when there is none.
local function receive(c)
    local line = c:receive("*l")
    local status = line and tonumber(line:match("^HTTP/1%.1 (%d%d%d) "))
    if not status then
        return nil
    end
    local headers, size = {}, 0
    while true do
        line = c:receive("*l")
        if not line then
            return nil
        end
        if line == "" then
            break
        end
        size = size + #line
        local name, value = line:match("^([^:]+):%s*(.-)%s*$")
        if not name or size > LONGEST_ANSWER then
            return nil
        end
        headers[name:lower()] = value
    end
    local length = tonumber(headers["content-length"] or "0")
    if headers["transfer-encoding"] or not length or length > LONGEST_ANSWER
        or (length > 0 and not c:receive(length)) then
        return nil
    end
    return status, headers
end

local function ask(question)
    local is_kept = connection ~= nil
    connection = connection or connect()
    if not connection then
        return nil
    end
    local status, headers
    if connection:send(question) then
        status, headers = receive(connection)
    end
    if status and (headers["connection"] or ""):lower() ~= "close" then
        return status, headers
    end
    forget()
    if not status and is_kept then
        return ask(question)    -- iamd had closed it as idle; once more, on a new one
    end
    return status, headers
end

local function question_of(r)
    local lines = {
        "GET /acs/api/v1/auth/check?redirect=1 HTTP/1.1",
        "Host: iamd",
        "X-Original-Method: " .. r.method,
        -- The bytes that the client sent; nocanon asks the service for the same.
        "X-Original-URI: " .. r.unparsed_uri,
        "X-Forwarded-For: " .. r.useragent_ip,
        "X-Forwarded-Proto: " .. (r.is_https and "https" or "http"),
    }
    for _, name in ipairs(PASSED_ON) do
        local value = r.headers_in[name]
        if value then
            lines[#lines + 1] = name .. ": " .. value
        end
    end
    return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

-- What the client says about itself never reaches the service, _ for - (which CGI makes equal)
-- included; and what Connection names is dropped on the way, so it must not name who it is.
local function clean(r)
    for name in pairs(r:headers_in_table()) do
        local plain = name:lower():gsub("_", "-")
        if plain:find("^x%-iam%-") or plain:find("^x%-original%-") or IS_OURS[plain] then
            r.headers_in[name] = nil
        end
    end
    -- An upgrade is to WebSocket or there is none: after one to h2c the client would send the service
    -- any number of requests that nobody asks iamd about.
    if (r.headers_in["Upgrade"] or ""):lower() ~= "websocket" then
        r.headers_in["Upgrade"] = nil
    end
    r.headers_in["HTTP2-Settings"] = nil
    local kept = {}
    for option in (r.headers_in["Connection"] or ""):gmatch("[^,%s]+") do
        if MAY_BE_NAMED[option:lower()] then
            kept[#kept + 1] = option
        end
    end
    r.headers_in["Connection"] = #kept > 0 and table.concat(kept, ", ") or nil
end

function check(r)
    -- Only a path: "OPTIONS *" and absolute addresses have none that could be judged.
    if r.unparsed_uri:sub(1, 1) ~= "/" then
        return 400
    end
    clean(r)
    local question = question_of(r)
    local status, headers = ask(question)
    if status == 200 and headers["x-iam-user"] then
        for _, name in ipairs(TOLD_BACK) do
            local value = headers[name:lower()]
            if value then
                r.headers_in[name] = value
            end
        end
        return apache2.OK
    end
    if status == 401 then
        r.err_headers_out["WWW-Authenticate"] = headers["www-authenticate"] or "acsjwt"
        return 401
    end
    if status == 302 and headers["location"] then
        r.err_headers_out["Location"] = headers["location"]
        return 302
    end
    if status == 403 then
        r.err_headers_out["X-Iam-Reason"] = headers["x-iam-reason"] or ""
        return 403
    end
    return 503
end
