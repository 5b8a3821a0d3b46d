package core

import "github.com/hubwire/hubwire/hub/codec"

// faultText is the error in the words of ASP.NET Core (protocols/core.md 5.3).
// What the client did wrong is always told: it discloses nothing.
func faultText(c *codec.Completion) string {
	f := c.Fault
	switch {
	case f.Kind == codec.NotFound:
		return "Failed to invoke '" + f.Method + "' due to an error on the server. HubException: Method does not exist."
	case f.Kind == codec.Unauthorized:
		return "Failed to invoke '" + f.Method + "' because user is unauthorized"
	case f.Kind == codec.StreamOnly:
		return "The client attempted to invoke the streaming '" + f.Method + "' method with a non-streaming invocation."
	case f.Kind == codec.NotStream:
		return "The client attempted to invoke the non-streaming '" + f.Method + "' method with a streaming invocation."
	case f.Kind == codec.InUse:
		return "Invocation ID '" + c.ID + "' is already in use."
	case f.Kind == codec.BadArguments || f.Kind == codec.Busy || f.Kind == codec.BadMessage:
		return detailed("Failed to invoke '"+f.Method+"' due to an error on the server.", f)
	case c.Stream:
		return detailed("An error occurred on the server while streaming results.", f)
	}
	return detailed("An unexpected error occurred invoking '"+f.Method+"' on the server.", f)
}

// detailed adds the text of the error, with the name that .NET would give it.
func detailed(text string, f *codec.Fault) string {
	switch {
	case f.Text == "":
		return text
	case f.Kind == codec.Failed:
		return text + " Exception: " + f.Text
	case f.Kind == codec.BadArguments:
		return text + " InvalidDataException: " + f.Text
	}
	return text + " HubException: " + f.Text
}
