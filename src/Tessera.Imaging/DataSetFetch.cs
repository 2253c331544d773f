using System.Security.Cryptography;
using Tessera.Imaging.Fetching;

namespace Tessera.Imaging;

/// <summary>Fetches a data set: downloads its archive, verifies it, unpacks it.</summary>
/// <remarks>
/// A download that breaks off is kept as <c>ARCHIVE.part</c> and taken up again by the next call. The unpacked folder appears under its
/// name only when it is whole. Where it is there already, all that is done is to remove what a kill may have left beside it.
/// </remarks>
public static class DataSetFetch
{
    private const int BufferSize = 1 << 20;

    /// <summary>Makes the data set's folder appear.</summary>
    /// <param name="dataSet">What to fetch; for another address, <c>dataSet with { Address = … }</c>.</param>
    /// <param name="targetFolder">Where the data set's folder shall lie; made if need be.</param>
    /// <param name="client">Makes the requests.</param>
    /// <param name="progress">Told as it goes.</param>
    /// <param name="cancellation">Stops; what was downloaded is kept.</param>
    /// <returns>The full path of the data set's folder: a source for <see cref="ImageSource.Open(string)"/>.</returns>
    /// <exception cref="DataSetFetchException">
    /// The server cannot be reached or serves something else; the archive is not sound; the folder is not writable or full.
    /// </exception>
    public static async Task<string> FetchAsync(
        DataSetArchive dataSet, string targetFolder, HttpClient client, IProgress<FetchProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(dataSet);
        var target = Path.GetFullPath(targetFolder);
        var folder = Path.Join(target, dataSet.Folder);
        var archive = Path.Join(target, dataSet.Folder + ".zip.part");
        if (Directory.Exists(folder))
        {
            RemoveLeftovers(archive, ArchiveUnpacking.FolderOf(dataSet.Folder, target));
            return folder;
        }
        try
        {
            Directory.CreateDirectory(target);
            await ArchiveDownload.RunAsync(client, dataSet.Address, archive, progress, cancellation).ConfigureAwait(false);
            await VerifyAsync(dataSet, archive, progress, cancellation).ConfigureAwait(false);
            ArchiveUnpacking.Run(archive, dataSet.Folder, target, progress, cancellation);
            File.Delete(archive);
            return folder;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DataSetFetchException(
                $"{target} cannot be written ({error.Message.TrimEnd('.')}): choose a folder that is writable and has room.", error);
        }
    }

    /// <summary>Removes what a kill left between the folder's appearance and the end: an archive may take as much room as the pictures.</summary>
    private static void RemoveLeftovers(string archive, string unpacking)
    {
        try
        {
            File.Delete(archive);
            if (Directory.Exists(unpacking)) Directory.Delete(unpacking, recursive: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The data set is whole, which is all that was asked for: a folder that may only be read is no failure.
        }
    }

    private static async Task VerifyAsync(DataSetArchive dataSet, string archive, IProgress<FetchProgress>? progress, CancellationToken cancellation)
    {
        string found;
        using (var stream = File.OpenRead(archive))
        {
#pragma warning disable CA5351 // MD5 is what the data set's publishers give: it guards against accidents, not against forgery.
            using var md5 = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
#pragma warning restore CA5351
            var buffer = new byte[BufferSize];
            while (await stream.ReadAsync(buffer, cancellation).ConfigureAwait(false) is var read and > 0)
            {
                md5.AppendData(buffer, 0, read);
                progress?.Report(new FetchProgress(FetchStage.Verifying, stream.Position, stream.Length));
            }
            found = Convert.ToHexStringLower(md5.GetHashAndReset());
        }
        if (string.Equals(found, dataSet.Md5, StringComparison.OrdinalIgnoreCase))
            return;
        File.Delete(archive);
        throw new DataSetFetchException(
            $"What {dataSet.Address} served is not {dataSet.Name}: its MD5 is {found}, not {dataSet.Md5}; it was removed, so try again or name another address.");
    }
}

/// <summary>How far fetching a data set has come.</summary>
/// <param name="Stage">What is being done.</param>
/// <param name="BytesDone">Of this stage.</param>
/// <param name="BytesTotal">Of this stage; null where the server does not say.</param>
public sealed record FetchProgress(FetchStage Stage, long BytesDone, long? BytesTotal);

/// <summary>The steps of fetching a data set, in their order.</summary>
public enum FetchStage
{
    /// <summary>Bytes come from the server.</summary>
    Downloading,

    /// <summary>The archive's MD5 is computed.</summary>
    Verifying,

    /// <summary>The archive's files are written.</summary>
    Unpacking,
}

/// <summary>
/// A data set could not be fetched: no connection, another file than expected, an archive that reaches outside its folder.
/// </summary>
public sealed class DataSetFetchException(string message, Exception? inner = null) : ImagingException(message, inner);
