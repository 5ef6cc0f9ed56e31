-- Asks Keyway about a request, and refuses it in Keyway's words unless the answer is 200.

local question = os.getenv("KEYWAY_QUESTION")
local timeout_ms = 3000

if not question or not question:match("^http://") then
    error("KEYWAY_QUESTION is not set to an http:// address")
end

-- Headers of the connection to the client, which are not for another one.
local own = {
    ["connection"] = true, ["content-length"] = true, ["expect"] = true, ["host"] = true,
    ["keep-alive"] = true, ["te"] = true, ["trailer"] = true, ["transfer-encoding"] = true,
    ["upgrade"] = true, ["proxy-connection"] = true,
}

local unavailable = '{"title":"Service Unavailable","status":503,"code":"unavailable"}'

local function refuse(txn, status, headers, body)
    local reply = txn:reply()
    reply:set_status(status)
    for name, values in pairs(headers) do
        if not own[name] and name ~= "x-keyway-denial" then
            for _, value in pairs(values) do
                reply:add_header(name, value)
            end
        end
    end
    reply:set_body(body)
    txn:done(reply)
end

core.register_action("keyway", { "http-req" }, function(txn)
    local headers = {}
    for name, values in pairs(txn.http:req_get_headers()) do
        if not own[name] then
            -- In their order, doubled ones twice: what is there twice must be refused.
            local all = {}
            for place = 0, #values do
                all[#all + 1] = values[place]
            end
            headers[name] = all
        end
    end
    -- Set after the client's own, so that those are never read.
    headers["x-original-method"] = { txn.sf:method() }
    headers["x-original-uri"] = { txn.sf:pathq() }
    headers["x-original-address"] = { txn.sf:src() }

    local answer = core.httpclient():get({ url = question, headers = headers, timeout = timeout_ms })
    if not answer or not answer.status or answer.status == 0 then
        refuse(txn, 503, { ["retry-after"] = { "1" }, ["content-type"] = { "application/json" } }, unavailable)
        return
    end
    if answer.status ~= 200 then
        refuse(txn, answer.status, answer.headers, answer.body or "")
        return
    end
    for name, values in pairs(answer.headers) do
        if name:sub(1, 9) == "x-keyway-" then
            txn.http:req_set_header(name, values[0])
        end
    end
    -- What did not fit is left out without a word: look.
    local set = txn.http:req_get_headers()
    for name, values in pairs(answer.headers) do
        if name:sub(1, 9) == "x-keyway-" and (not set[name] or set[name][0] ~= values[0]) then
            refuse(txn, 503, { ["retry-after"] = { "1" }, ["content-type"] = { "application/json" } }, unavailable)
            return
        end
    end
    txn:set_var("txn.keyway_request_id", answer.headers["request-id"][0])
    txn:set_var("txn.keyway_allowed", "yes")
end, 0)
