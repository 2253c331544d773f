namespace Tessera.Imaging;

/// <summary>A data set that can be fetched: one zip archive that holds one folder.</summary>
/// <param name="Name">What it is called on the command line.</param>
/// <param name="Address">Where the archive lies.</param>
/// <param name="Md5">The archive's MD5 in hexadecimal.</param>
/// <param name="Folder">The folder inside the archive, and the one that appears.</param>
public sealed record DataSetArchive(string Name, Uri Address, string Md5, string Folder)
{
    /// <summary>Tiny-ImageNet: 200 classes of 64×64 pictures, 100,000 to train on and 10,000 labelled ones to test with; 248 MB.</summary>
    public static DataSetArchive TinyImageNet { get; } = new(
        "tiny-imagenet", new Uri("http://cs231n.stanford.edu/tiny-imagenet-200.zip"), "90528d7ca1a48142e341f4ef8d21d0de", "tiny-imagenet-200");

    /// <summary>Every data set that has a name.</summary>
    public static IReadOnlyList<DataSetArchive> Known { get; } = [TinyImageNet];

    /// <summary>The data set of that name.</summary>
    /// <exception cref="DataSetFetchException">There is none.</exception>
    public static DataSetArchive Find(string name) =>
        Known.FirstOrDefault(known => known.Name == name)
        ?? throw new DataSetFetchException(
            $"There is no data set named {name} to fetch; there are: {string.Join(", ", Known.Select(known => known.Name))}.");
}
