using System.Net;
using System.Net.Sockets;

namespace Tessera.Imaging.Tests.Fixtures;

/// <summary>A web server on this machine that serves one file, well or badly, and remembers what it was asked.</summary>
internal sealed class FileServer : IDisposable
{
    private readonly HttpListener listener = new();
    private readonly Action<HttpListenerContext, int> answer;
    private readonly Task serving;

    /// <param name="answer">Answers one request; told how many there were before.</param>
    public FileServer(Action<HttpListenerContext, int> answer)
    {
        this.answer = answer;
        Address = new Uri($"http://127.0.0.1:{FreePort()}/archive.zip");
        listener.Prefixes.Add($"http://{Address.Authority}/");
        listener.Start();
        serving = ServeAsync();
    }

    public Uri Address { get; }

    /// <summary>The Range header of each request; null where there was none.</summary>
    public List<string?> Ranges { get; } = [];

    /// <summary>Serves ranges as a good server does.</summary>
    public static FileServer Of(byte[] file) => new((context, _) => SendFrom(context, file, RangeStart(context)));

    public static int RangeStart(HttpListenerContext context) =>
        context.Request.Headers["Range"] is { } range ? int.Parse(range["bytes=".Length..^1]) : 0;

    /// <summary>Promises the whole file, sends its beginning, and hangs up when the client has got some of it.</summary>
    public static void BreakOff(HttpListenerContext context, byte[] file, int after, WaitHandle arrived)
    {
        context.Response.ContentLength64 = file.Length;
        context.Response.OutputStream.Write(file, 0, after);
        context.Response.OutputStream.Flush();
        arrived.WaitOne();
        context.Response.Abort();
    }

    /// <summary>The file from a place on, or that there is nothing from there on.</summary>
    public static void SendFrom(HttpListenerContext context, byte[] file, int start)
    {
        var response = context.Response;
        if (start >= file.Length)
        {
            response.StatusCode = (int)HttpStatusCode.RequestedRangeNotSatisfiable;
            response.Headers["Content-Range"] = $"bytes */{file.Length}";
            response.Close();
            return;
        }
        if (start > 0)
        {
            response.StatusCode = (int)HttpStatusCode.PartialContent;
            response.Headers["Content-Range"] = $"bytes {start}-{file.Length - 1}/{file.Length}";
        }
        response.ContentLength64 = file.Length - start;
        response.OutputStream.Write(file, start, file.Length - start);
        response.Close();
    }

    public void Dispose()
    {
        listener.Close();
        serving.GetAwaiter().GetResult();
    }

    public static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            HttpListenerContext context;
            try { context = await listener.GetContextAsync(); }
            catch (Exception error) when (error is HttpListenerException or ObjectDisposedException) { return; } // closed
            Ranges.Add(context.Request.Headers["Range"]);
            try { answer(context, Ranges.Count - 1); }
            catch (HttpListenerException) { context.Response.Abort(); } // the client hung up, as some tests have it do
        }
    }
}
