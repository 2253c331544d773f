namespace Tessera.Imaging;

/// <summary>A source that cannot be used: no such folder, nothing in it, an annotation that makes no sense, every picture broken.</summary>
public sealed class ImageSourceException(string message, Exception? inner = null) : ImagingException(message, inner)
{
    private const int Named = 3;

    /// <summary>Every picture of one side of the split is broken, or there is none.</summary>
    internal static ImageSourceException NothingLeft(string location, string side, int count, IReadOnlyList<BrokenImage> broken)
    {
        if (count == 0)
            return new ImageSourceException($"{location} has test pictures and none to train on.");
        var first = string.Join("; ", broken.Take(Named).Select(image => $"{image.Name} {image.Reason}"));
        return new ImageSourceException(
            $"Not one of the {count} {side} pictures of {location} can be read: {first}{(broken.Count > Named ? "; …" : "")}.");
    }
}
