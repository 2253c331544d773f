using System.Net;
using System.Net.Http.Headers;

namespace Tessera.Imaging.Fetching;

/// <summary>Downloads one file, going on from the bytes that are there already where the server can.</summary>
internal static class ArchiveDownload
{
    private const int BufferSize = 1 << 17;

    private static readonly TimeSpan LongestSilence = TimeSpan.FromSeconds(60);

    /// <exception cref="DataSetFetchException">No connection, a refusal, or a connection that broke: what came is kept.</exception>
    public static async Task RunAsync(HttpClient client, Uri address, string file, IProgress<FetchProgress>? progress, CancellationToken cancellation)
    {
        using var output = new FileStream(file, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None);
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        try
        {
            silence.CancelAfter(LongestSilence);
            using var response = await RequestAsync(client, address, output.Length, silence.Token).ConfigureAwait(false);
            if (IsWholeAlready(response, output.Length))
                return;
            if (!GoesOnAt(response, output.Length) && response.StatusCode != HttpStatusCode.OK)
            {
                // The bytes that are here are of no use to this server: from the beginning.
                output.SetLength(0);
                using var whole = await RequestAsync(client, address, 0, silence.Token).ConfigureAwait(false);
                await ReceiveAsync(whole, address, output, progress, silence).ConfigureAwait(false);
                return;
            }
            await ReceiveAsync(response, address, output, progress, silence).ConfigureAwait(false);
        }
        catch (OperationCanceledException error) when (!cancellation.IsCancellationRequested)
        {
            throw BrokenOff(address, output.Length, $"nothing came for {LongestSilence.TotalSeconds:N0} seconds", error);
        }
        catch (HttpRequestException error)
        {
            throw new DataSetFetchException(
                $"{address} cannot be reached ({error.Message.TrimEnd('.')}): check the connection, or name another address.", error);
        }
    }

    private static async Task<HttpResponseMessage> RequestAsync(HttpClient client, Uri address, long from, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        if (from > 0)
            request.Headers.Range = new RangeHeaderValue(from, null);
        return await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation).ConfigureAwait(false);
    }

    /// <summary>Asked for what follows the last byte, the server says that nothing does.</summary>
    private static bool IsWholeAlready(HttpResponseMessage response, long have) =>
        have > 0 && response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable && response.Content.Headers.ContentRange?.Length == have;

    private static bool GoesOnAt(HttpResponseMessage response, long have) =>
        response.StatusCode == HttpStatusCode.PartialContent && response.Content.Headers.ContentRange?.From == have;

    private static async Task ReceiveAsync(
        HttpResponseMessage response, Uri address, FileStream output, IProgress<FetchProgress>? progress, CancellationTokenSource silence)
    {
        if (!response.IsSuccessStatusCode)
            throw new DataSetFetchException($"{address} answers {(int)response.StatusCode} {response.ReasonPhrase}: name another address.");
        if (response.StatusCode != HttpStatusCode.PartialContent)
            output.SetLength(0); // the server ignored the range and sends all of it
        output.Position = output.Length;
        var total = output.Length + response.Content.Headers.ContentLength;

        using var body = await response.Content.ReadAsStreamAsync(silence.Token).ConfigureAwait(false);
        var buffer = new byte[BufferSize];
        while (true)
        {
            silence.CancelAfter(LongestSilence);
            var read = await ReadAsync(body, buffer, address, output.Length, silence.Token).ConfigureAwait(false);
            if (read == 0)
                break;
            await output.WriteAsync(buffer.AsMemory(0, read), silence.Token).ConfigureAwait(false);
            progress?.Report(new FetchProgress(FetchStage.Downloading, output.Position, total));
        }
        if (output.Position < total)
            throw BrokenOff(address, output.Position, $"{total} bytes were announced", null);
    }

    private static async Task<int> ReadAsync(Stream body, byte[] buffer, Uri address, long have, CancellationToken cancellation)
    {
        try { return await body.ReadAsync(buffer, cancellation).ConfigureAwait(false); }
        catch (IOException error)
        {
            throw BrokenOff(address, have, error.Message.TrimEnd('.'), error);
        }
    }

    private static DataSetFetchException BrokenOff(Uri address, long have, string why, Exception? inner) =>
        new($"The download from {address} broke off after {have} bytes ({why}): run the same command again and it goes on from there.", inner);
}
