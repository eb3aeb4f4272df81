// Browsers start no worker from a file on disk, and the search needs one: here it runs in a hidden
// frame instead, with the same two methods and the same event.
"use strict";

if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.documentElement.append(frame);
      const inside = frame.contentWindow;
      // What a worker posts goes to the page; in a frame it would go to the frame itself.
      inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      this.ready = new Promise((resolve, reject) => {
        const script = inside.document.createElement("script");
        script.src = new URL(url, location.href).href;
        script.onload = () => resolve(inside);
        script.onerror = () => reject(new Error(`${script.src} cannot be read`));
        inside.document.documentElement.append(script);
      });
    }

    postMessage(data) {
      this.ready.then((inside) =>
        inside.dispatchEvent(new MessageEvent("message", { data }))
      );
    }
  };
}
