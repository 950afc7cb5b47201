-- What `run` wants to know from wrk, in a form that it can read: one `name value` a line, times in microseconds.
function done(summary, latency, requests)
  local errors = summary.errors
  local report = {
    requests = summary.requests,
    duration = summary.duration,
    errors = errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    p50 = latency:percentile(50),
    p99 = latency:percentile(99),
  }
  for name, value in pairs(report) do
    io.write(string.format("peers %s %d\n", name, value))
  end
end
