package classic

import (
	"bytes"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/goccy/go-json"

	"github.com/hubwire/hubwire/hub/codec"
	"github.com/hubwire/hubwire/negotiate"
	"github.com/hubwire/hubwire/persistent/classic"
)

// A script serves the proxy script, classic.md section 7, at .../hubs and
// .../js. The text is made once for a set of hubs; only the URL of the mount,
// which ends it, differs from request to request.
type script struct {
	made atomic.Pointer[madeScript]
}

type madeScript struct {
	site *codec.Site
	text []byte // up to the service URL
}

const disabled = `throw new Error("SignalR: JavaScript Hub proxy generation has been disabled.");` + "\n"

func (s *script) serve(w http.ResponseWriter, r *http.Request, site *codec.Site) bool {
	if !isScriptPath(r.URL.Path) {
		return false
	}
	if !site.JSONP && negotiate.ParseQuery(r.URL.RawQuery).Get("callback") != "" {
		classic.ErrJSONP.Write(w)
		return true
	}
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Type", "application/javascript; charset=UTF-8")
	h.Set("Cache-Control", "no-cache")
	if site.NoProxies {
		_, _ = w.Write([]byte(disabled))
		return true
	}
	_, _ = w.Write(s.text(site, serviceURL(site.PublicPath(r))))
	return true
}

// text returns the whole script for a mount at url.
func (s *script) text(site *codec.Site, url string) []byte {
	made := s.made.Load()
	if made == nil || made.site != site {
		made = &madeScript{site: site, text: Script(site.Hubs)}
		s.made.Store(made)
	}
	b := bytes.NewBuffer(make([]byte, 0, len(made.text)+len(url)+200))
	b.Write(made.text)
	b.WriteString("  $.signalR.hub = $.hubConnection(")
	b.Write(quote(url))
	b.WriteString(", { useDefaultPath: false });\n")
	b.WriteString("  $.extend($.signalR, $.signalR.hub.createHubProxies());\n}(window.jQuery));\n")
	return b.Bytes()
}

func isScriptPath(path string) bool {
	path = strings.ToLower(strings.TrimRight(path, "/"))
	return strings.HasSuffix(path, "/hubs") || strings.HasSuffix(path, "/js")
}

// serviceURL is the mount: the path without the suffix.
func serviceURL(path string) string {
	path = strings.TrimRight(path, "/")
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		path = path[:i]
	}
	return strings.TrimRight(path, "/")
}

const scriptHead = `/* SignalR hub proxies, made by Hubwire from the registered hubs. */
(function ($) {
  "use strict";
  if (!$ || typeof $.signalR !== "function") {
    throw new Error("The SignalR client is missing: load jquery and signalr before this script.");
  }
  // The functions of each hub's "client" object are subscribed when the
  // connection starts. The original function is passed as identity, so that
  // it can be unsubscribed.
  function wire(hubs, subscribe) {
    $.each(hubs, function (_, hub) {
      $.each(hub.client, function (name, handler) {
        if (typeof handler !== "function") { return; }
        hub[subscribe ? "on" : "off"](name, function () { handler.apply(hub, arguments); }, handler);
      });
    });
  }
  $.hubConnection.prototype.createHubProxies = function () {
    var hubs = {};
    // This must come before createHubProxy, which binds the function that
    // tells the server which hubs have handlers.
    this.starting(function () {
      wire(hubs, true);
      this._registerSubscribedHubs();
    }).disconnected(function () {
      wire(hubs, false);
    });
    function caller(hub, method) {
      return function () {
        return hub.invoke.apply(hub, [method].concat($.makeArray(arguments)));
      };
    }
    var hub;
`

const scriptTail = `    return hubs;
  };
`

// Script returns the proxy script for the hubs, up to the place where the
// mount's URL comes in.
func Script(hubs []codec.HubDescriptor) []byte {
	var b bytes.Buffer
	b.WriteString(scriptHead)
	for _, h := range hubs {
		writeHub(&b, h)
	}
	b.WriteString(scriptTail)
	return b.Bytes()
}

func writeHub(b *bytes.Buffer, h codec.HubDescriptor) {
	name := quote(proxyName(h.Name, h.Explicit))
	b.WriteString("    hub = hubs[")
	b.Write(name)
	b.WriteString("] = this.createHubProxy(")
	b.Write(name)
	b.WriteString(");\n    hub.client = {};\n    hub.server = {")
	for i, m := range h.Methods {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n      ")
		b.Write(quote(proxyName(m.Name, m.Explicit)))
		b.WriteString(": caller(hub, ")
		b.Write(quote(m.Name))
		b.WriteByte(')')
	}
	if len(h.Methods) > 0 {
		b.WriteString("\n    ")
	}
	b.WriteString("};\n")
}

// proxyName is the name that a page uses: camel-cased unless the program chose
// it, the first letter of each dot-separated part.
func proxyName(name string, explicit bool) string {
	if explicit {
		return name
	}
	parts := strings.Split(name, ".")
	for i, p := range parts {
		parts[i] = codec.LowerCamel(p)
	}
	return strings.Join(parts, ".")
}

// quote writes s as a JavaScript string: JSON with the characters escaped that
// would end a script element.
func quote(s string) []byte {
	q, err := json.Marshal(s)
	if err != nil { // cannot happen: invalid UTF-8 is replaced
		return []byte(`""`)
	}
	return q
}
