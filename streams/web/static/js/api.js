// Questions to the server that are asked once.

/** Returns the answer to a path below /api/v1, or throws an error whose message can be shown; `status` is HTTP's. */
export async function ask(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined));
  const answer = await fetch(`/api/v1/${path}${query.size ? `?${query}` : ""}`, { headers: { Accept: "application/json" } });
  if (answer.status === 401) location.assign("/login");
  const body = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(body.error ?? `status ${answer.status}`), { status: answer.status });
  return body;
}
