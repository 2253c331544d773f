using System.Net;
using System.Net.Sockets;

namespace Tessera.Kills;

/// <summary>A web server on this machine that serves one file, from any byte on, slowly enough to be cut off in the middle.</summary>
internal sealed class SlowServer : IDisposable
{
    private const int Chunk = 1 << 14;
    private readonly HttpListener listener = new();
    private readonly byte[] file;

    /// <param name="file">The file.</param>
    public SlowServer(byte[] file)
    {
        this.file = file;
        Address = new Uri($"http://127.0.0.1:{FreePort()}/archive.zip");
        listener.Prefixes.Add($"http://{Address.Authority}/");
        listener.Start();
        _ = ServeAsync();
    }

    public Uri Address { get; }

    public void Dispose() => listener.Close();

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            try { _ = AnswerAsync(await listener.GetContextAsync()); }
            catch (Exception error) when (error is HttpListenerException or ObjectDisposedException) { return; } // closed
        }
    }

    private async Task AnswerAsync(HttpListenerContext context)
    {
        try
        {
            var start = context.Request.Headers["Range"] is { } range ? int.Parse(range["bytes=".Length..^1]) : 0;
            var response = context.Response;
            response.StatusCode = (int)(start >= file.Length ? HttpStatusCode.RequestedRangeNotSatisfiable : start > 0 ? HttpStatusCode.PartialContent : HttpStatusCode.OK);
            if (start > 0) response.Headers["Content-Range"] = start >= file.Length ? $"bytes */{file.Length}" : $"bytes {start}-{file.Length - 1}/{file.Length}";
            response.ContentLength64 = Math.Max(0, file.Length - start);
            for (var at = start; at < file.Length; at += Chunk)
            {
                await response.OutputStream.WriteAsync(file.AsMemory(at, Math.Min(Chunk, file.Length - at)));
                await Task.Delay(1);
            }
            response.Close();
        }
        catch (Exception error) when (error is HttpListenerException or IOException or ObjectDisposedException)
        {
            context.Response.Abort(); // the client was killed, as it should be
        }
    }
}
