// The end of a visit: the kernel is freed. (The pad itself says when its connection is lost.)
{
  // Voilà's farewell sends this cookie back to the server, but nothing sets it (voila#1458).
  const cookie = () => document.cookie.match(/\b_xsrf=([^;]*)/)?.[1];
  if (!cookie()) {
    const random = crypto.getRandomValues(new Uint8Array(16));
    const token = [...random].map(byte => byte.toString(16).padStart(2, "0")).join("");
    document.cookie = `_xsrf=${token}; path=${location.pathname}; SameSite=Strict`;
  }

  // Voilà says it from the moment it opens the kernel's socket; whoever leaves before is ours.
  let connected = false;
  addEventListener("pagehide", () => {
    const config = document.getElementById("jupyter-config-data");
    if (connected || !config) return;
    const {baseUrl, kernelId} = JSON.parse(config.textContent);
    const form = new FormData();
    form.append("_xsrf", cookie());
    navigator.sendBeacon(`${baseUrl}voila/api/shutdown/${kernelId}`, form);
  });

  window.WebSocket = class extends WebSocket {
    constructor(...address) {
      super(...address);
      connected = true;
    }
  };
}
