-- iamd.lua - asks iamd whether the request may pass; sets txn.iamd_status and, on 200, who it is.
--
-- Only what is written here reaches iamd: the token, and what it needs to send a browser to the login
-- page. No header of the client's can forge the question. An error leaves txn.iamd_status unset, and
-- haproxy.cfg lets nothing pass then.

local passed_on = { "authorization", "cookie", "accept", "sec-fetch-mode" }
local told_back = {
    ["x-iam-user"] = "iamd_user",
    ["x-iam-groups"] = "iamd_groups",
    ["x-iam-groups-omitted"] = "iamd_groups_omitted",
    ["x-iam-revision"] = "iamd_revision",
    ["x-iam-reason"] = "iamd_reason",
    ["www-authenticate"] = "iamd_challenge",
    ["location"] = "iamd_location",
}

local function values(list)
    local out, i = {}, 0
    while list[i] do
        out[i + 1] = list[i]
        i = i + 1
    end
    return out
end

core.register_action("iamd_check", { "http-req" }, function(txn)
    local sent = txn.http:req_get_headers()
    local headers = { host = { "iamd" } }
    for _, name in ipairs(passed_on) do
        if sent[name] then
            headers[name] = values(sent[name])
        end
    end
    -- The bytes that the client sent; HAProxy asks the service for the same.
    headers["x-original-method"] = { txn.sf:method() }
    headers["x-original-uri"] = { txn.sf:url() }
    headers["x-forwarded-for"] = { txn.sf:src() }

    local answer = core.httpclient():get({
        url = "http://iamd/acs/api/v1/auth/check?redirect=1",
        dst = "abns@iamd-questions",
        headers = headers,
        timeout = 3000,
    })
    if not answer then
        return
    end
    for name, variable in pairs(told_back) do
        if answer.headers and answer.headers[name] then
            txn:set_var("txn." .. variable, answer.headers[name][0])
        end
    end
    txn:set_var("txn.iamd_status", answer.status)
end, 0)
