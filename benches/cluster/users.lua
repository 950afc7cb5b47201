-- New users (`wrk … -- create`) or a page of them, through the Ingress; the report that ../peers/report.lua makes.
local host, number, run = "users.session-affinity.com", 0, tostring(os.time())

function init(args)
  creates = args[1] == "create"
end

function request()
  if not creates then
    return wrk.format("GET", "/user?limit=20", { Host = host })
  end
  number = number + 1
  local headers = { Host = host, ["Content-Type"] = "application/json" }
  return wrk.format("POST", "/user", headers, string.format('{"username": "u%s-%d"}', run, number))
end
