// The search of the site runs in a worker, and browsers start none for a page that was opened from a disk. There, this
// runs the worker's script in a hidden frame instead. Nothing is loaded from elsewhere.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(script) {
      super()
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      document.body.append(this.frame)
      const inner = this.frame.contentWindow
      this.ready = new Promise(resolve => {
        inner.postMessage = data => this.answer(data)
        inner.importScripts = (...names) => names.reduce((before, name) => before.then(() => this.load(name)), Promise.resolve())
        this.load(script).then(resolve)
      })
    }

    load(script) {
      return new Promise((resolve, reject) => {
        const element = this.frame.contentDocument.createElement("script")
        element.src = new URL(script, location)
        element.onload = resolve
        element.onerror = reject
        this.frame.contentDocument.body.append(element)
      })
    }

    answer(data) {
      const message = new MessageEvent("message", {data})
      setTimeout(() => {
        this.dispatchEvent(message)
        this.onmessage?.(message)
      })
    }

    postMessage(data) {
      const inner = this.frame.contentWindow
      this.ready.then(() => {
        const message = new inner.MessageEvent("message", {data})
        inner.dispatchEvent(message)
      })
    }

    terminate() {
      this.frame.remove()
    }
  }
}
