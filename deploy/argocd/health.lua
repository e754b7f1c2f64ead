-- Health of an EntraCredential for Argo CD: see docs/gitops.md.
local status = obj.status or {}
if status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "the operator has not looked at this change yet"}
end
local found = {}
for _, condition in ipairs(status.conditions or {}) do
  found[condition.type] = condition
end
local function is(kind)
  return found[kind] ~= nil and found[kind].status == "True"
end
local function told(kind)
  local condition = found[kind]
  if condition == nil then
    return ""
  end
  if (condition.message or "") == "" then
    return condition.reason
  end
  return condition.reason .. ": " .. condition.message
end
if obj.spec.suspend then
  return {status = "Suspended", message = told("Ready")}
elseif is("Stalled") then
  return {status = "Degraded", message = told("Stalled")}
elseif is("Ready") then
  return {status = "Healthy", message = told("Ready")}
else
  return {status = "Progressing", message = told("Ready")}
end
